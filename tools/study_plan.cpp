// SPDX-License-Identifier: Apache-2.0
#include "tools/study_plan.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstring>
#include <set>

#include "core/error.h"

namespace clade {

namespace fs = std::filesystem;

namespace {

using Json = nlohmann::ordered_json;
using Names = std::set<std::string>;

// What the study says itself, or what would make the runs of a study write over one another.
const Names kCommonTaken{"help", "version", "device", "threads", "force", "quiet", "input", "output"};
const Names kTrainTaken{"resume", "patches", "no-shuffle", "checkpoint-minutes"};
const Names kApplyTaken{"model", "patches", "preview", "preview-reference", "dry-run"};
const Names kScoreTaken{"acquisition", "reference", "mask", "regions", "json", "csv", "fidelity-maps"};
// Options whose values are files.
const Names kPaths{"init", "validate"};

void check_keys(const Json& json, const Names& known) {
  CLADE_CHECK(json.is_object(), ErrorCode::input, "expected an object {...}");
  for (const auto& [key, value] : json.items())
    CLADE_CHECK(known.contains(key), ErrorCode::input, "unknown key '", key, "'");
}

std::string string_of(const Json& json, const char* what) {
  CLADE_CHECK(json.is_string() && !json.get_ref<const std::string&>().empty(), ErrorCode::input, what,
              ": expected a text");
  return json.get<std::string>();
}

// Names become names of files.
bool fit_for_file(const std::string& name) {
  return !name.empty() && name.front() != '.' && name.size() <= 100 &&
         std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return std::isalnum(c) || std::strchr("-_.=+", c); });
}

std::string absolute(const fs::path& folder, const std::string& path) {
  return (folder / path).lexically_normal().string();
}

// A switch is there or not.
void append(std::vector<std::string>& arguments, const std::string& option, const std::string& value) {
  if (value == "false") return;
  arguments.push_back(value == "true" ? str("--", option) : str("--", option, "=", value));
}

class Reader {
 public:
  explicit Reader(const fs::path& folder) : folder_(fs::absolute(folder)) {}

  StudyPlan plan(const Json& json) const {
    check_keys(json, {"volumes", "train", "checkpoints", "apply", "score"});
    StudyPlan plan;
    with_context("volumes", [&] { plan.volumes = volumes(json.contains("volumes") ? json.at("volumes") : Json()); });
    if (json.contains("train"))
      with_context("train", [&] {
        const Json& train = json.at("train");
        check_keys(train, {"input", "fixed", "grid"});
        if (train.contains("input"))
          for (const Json& input : list(train.at("input"), "input"))
            plan.training_inputs.emplace_back(absolute(folder_, string_of(input, "input")));
        plan.train = grid(train, kTrainTaken);
      });
    if (json.contains("apply"))
      with_context("apply", [&] {
        check_keys(json.at("apply"), {"fixed", "grid"});
        plan.apply = grid(json.at("apply"), kApplyTaken);
      });
    with_context("checkpoints", [&] {
      plan.checkpoints =
          json.contains("checkpoints") ? checkpoints(json.at("checkpoints")) : std::vector<std::string>{"latest"};
    });
    if (json.contains("score"))
      with_context("score", [&] { plan.score_arguments = fixed(json.at("score"), kScoreTaken); });
    return plan;
  }

 private:
  static const Json& list(const Json& json, const std::string& what) {
    CLADE_CHECK(json.is_array() && !json.empty(), ErrorCode::input, what, ": expected a list [...]");
    return json;
  }

  std::vector<StudyVolume> volumes(const Json& json) const {
    CLADE_CHECK(json.is_array() && !json.empty(), ErrorCode::input, "expected a list of objects");
    std::vector<StudyVolume> volumes;
    Names names;
    for (const Json& entry : json) {
      check_keys(entry, {"name", "input", "reference", "mask"});
      for (const char* key : {"name", "input"})
        CLADE_CHECK(entry.contains(key), ErrorCode::input, "one has no '", key, "'");
      StudyVolume volume;
      volume.name = string_of(entry.at("name"), "name");
      CLADE_CHECK(fit_for_file(volume.name), ErrorCode::input, "the name '", volume.name,
                  "' is not made of letters, digits and - _ . = +");
      CLADE_CHECK(names.insert(volume.name).second, ErrorCode::input, "two are called '", volume.name, "'");
      volume.input = absolute(folder_, string_of(entry.at("input"), "input"));
      for (const auto& [key, path] : {std::pair{"reference", &volume.reference}, std::pair{"mask", &volume.mask}})
        if (entry.contains(key)) *path = absolute(folder_, string_of(entry.at(key), key));
      CLADE_CHECK(!volume.mask || volume.reference, ErrorCode::input, volume.name, ": a mask needs a reference");
      volumes.push_back(std::move(volume));
    }
    return volumes;
  }

  static std::vector<std::string> checkpoints(const Json& json) {
    std::vector<std::string> names;
    for (const Json& entry : list(json, "expected latest, best or numbers of epochs")) {
      std::string name;
      if (entry.is_number_unsigned() && entry > 0) {
        char text[32];
        std::snprintf(text, sizeof text, "epoch_%04llu", entry.get<unsigned long long>());
        name = text;
      } else {
        CLADE_CHECK(entry == "latest" || entry == "best", ErrorCode::input, entry.dump(),
                    " is neither latest nor best nor the number of an epoch");
        name = entry.get<std::string>();
      }
      CLADE_CHECK(std::find(names.begin(), names.end(), name) == names.end(), ErrorCode::input, name, " comes twice");
      names.push_back(std::move(name));
    }
    return names;
  }

  // The text of a value as a program takes it.
  std::string value_text(const std::string& option, const Json& value) const {
    if (value.is_string()) {
      const std::string text = value.get<std::string>();
      return kPaths.contains(option) ? absolute(folder_, text) : text;
    }
    CLADE_CHECK(value.is_number() || value.is_boolean(), ErrorCode::input, option, ": ", value.dump(),
                " is neither a number nor a text nor true or false");
    return value.dump();
  }

  static void check_option(const std::string& option, const Names& taken) {
    CLADE_CHECK(fit_for_file(option) && option.front() != '-', ErrorCode::input, "'", option,
                "' is not the long name of an option, without dashes");
    CLADE_CHECK(!kCommonTaken.contains(option) && !taken.contains(option), ErrorCode::input, "--", option,
                " cannot be set in a study");
  }

  std::vector<std::string> fixed(const Json& json, const Names& taken) const {
    CLADE_CHECK(json.is_object(), ErrorCode::input, "expected an object {...}");
    std::vector<std::string> arguments;
    for (const auto& [option, value] : json.items()) {
      check_option(option, taken);
      if (!value.is_array()) {
        append(arguments, option, value_text(option, value));
        continue;
      }
      arguments.push_back(str("--", option));
      for (const Json& part : list(value, option)) arguments.push_back(value_text(option, part));
    }
    return arguments;
  }

  OptionGrid grid(const Json& json, const Names& taken) const {
    OptionGrid grid;
    if (json.contains("fixed")) with_context("fixed", [&] { grid.fixed = fixed(json.at("fixed"), taken); });
    if (!json.contains("grid")) return grid;
    with_context("grid", [&] {
      CLADE_CHECK(json.at("grid").is_object(), ErrorCode::input, "expected an object {...}");
      for (const auto& [option, values] : json.at("grid").items()) {
        check_option(option, taken);
        CLADE_CHECK(!json.contains("fixed") || !json.at("fixed").contains(option), ErrorCode::input, option,
                    " is fixed, too");
        StudyAxis axis{option, {}};
        for (const Json& value : list(values, option)) {
          axis.values.push_back(value_text(option, value));
          CLADE_CHECK(std::count(axis.values.begin(), axis.values.end(), axis.values.back()) == 1, ErrorCode::input,
                      option, ": ", value.dump(), " comes twice");
        }
        grid.axes.push_back(std::move(axis));
      }
    });
    Names names;
    for (const GridPoint& point : expand(grid)) {
      CLADE_CHECK(point.name.size() <= 200, ErrorCode::input, "the grid has too many options for names of files");
      CLADE_CHECK(names.insert(point.name).second, ErrorCode::input, "two combinations would be called ", point.name);
    }
    return grid;
  }

  fs::path folder_;
};

// "lambda-cycle=0.1"; what is not fit for a file becomes "-".
std::string axis_name(const std::string& option, const std::string& value) {
  std::string text = option + '=' + (kPaths.contains(option) ? fs::path(value).stem().string() : value);
  for (char& c : text)
    if (!std::isalnum(static_cast<unsigned char>(c)) && !std::strchr("-_.=+", c)) c = '-';
  return text;
}

}  // namespace

std::vector<GridPoint> expand(const OptionGrid& grid) {
  std::vector<GridPoint> points{{{}, grid.fixed, ""}};
  for (const StudyAxis& axis : grid.axes) {
    std::vector<GridPoint> longer;
    for (const GridPoint& point : points)
      for (const std::string& value : axis.values) {
        GridPoint next = point;
        next.values.push_back(value);
        append(next.arguments, axis.option, value);
        next.name = str(point.name, point.name.empty() ? "" : "_", axis_name(axis.option, value));
        longer.push_back(std::move(next));
      }
    points = std::move(longer);
  }
  return points;
}

StudyPlan parse_study_plan(const Json& json, const fs::path& folder) { return Reader(folder).plan(json); }

}  // namespace clade
