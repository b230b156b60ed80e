// SPDX-License-Identifier: Apache-2.0
#include "tools/report_run.h"

#include <limits>
#include <sstream>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "io/safetensors.h"
#include "tools/html.h"
#include "tools/report_plots.h"

namespace clade {

namespace fs = std::filesystem;

namespace {

constexpr int kPoints = 80;  // of a curve

// Losses that share a plot: what is said of Y is dashed.
struct LossPlot {
  const char* title;
  const char* solid;
  const char* dashed;
};
constexpr LossPlot kPlots[] = {{"generators, weighted sum", "generator", nullptr},
                               {"adversarial: G_X, G_Y", "adversarial_gx", "adversarial_gy"},
                               {"discriminators: D_X, D_Y", "discriminator_x", "discriminator_y"},
                               {"cycle: x, y", "cycle_x", "cycle_y"},
                               {"identity: x, y", "identity_x", "identity_y"},
                               {"gradient map", "gradient", nullptr}};

nlohmann::ordered_json parse_object(const std::string& text) {
  nlohmann::ordered_json json = nlohmann::ordered_json::parse(text, nullptr, false);
  CLADE_CHECK(json.is_object(), ErrorCode::input, "this is not a JSON object");
  return json;
}

void flatten(const nlohmann::ordered_json& json, const std::string& prefix, TextTable& table) {
  for (const auto& [key, value] : json.items()) {
    if (value.is_object()) {
      flatten(value, prefix + key + ".", table);
    } else {
      table.push_back({prefix + key, value.is_string() ? value.get<std::string>() : value.dump()});
    }
  }
}

void read_log(const fs::path& path, TrainingRun& run) {
  std::istringstream in(read_text(path));
  std::string line;
  // A line without its newline is being written.
  while (std::getline(in, line) && !in.eof())
    with_context(str("line ", run.steps.size() + 1), [&] {
      const nlohmann::ordered_json json = parse_object(line);
      CLADE_CHECK(json.contains("step") && json["step"].is_number(), ErrorCode::input, "there is no step");
      run.steps.push_back(json["step"].get<double>());
      for (const LossPlot& plot : kPlots)
        for (const char* loss : {plot.solid, plot.dashed}) {
          if (!loss) continue;
          const bool known = json.contains(loss) && json[loss].is_number();
          run.losses[loss].push_back(known ? json[loss].get<double>() : std::numeric_limits<double>::quiet_NaN());
        }
    });
}

}  // namespace

TrainingRun read_run(const std::string& method, const fs::path& folder) {
  TrainingRun run;
  run.method = method;
  run.folder = folder.string();
  const fs::path config = folder / "config.json", log = folder / "log.jsonl", model = folder / "latest.safetensors";
  run.settings.push_back({"setting", "value"});
  const nlohmann::ordered_json settings =
      with_context(config.string(), [&] { return parse_object(read_text(config)); });
  flatten(settings, "", run.settings);
  with_context(log.string(), [&] { read_log(log, run); });
  run.model.push_back({"metadata", "value"});
  std::error_code error;
  if (fs::exists(model, error))
    for (const auto& [key, value] : read_safetensors(model).metadata) run.model.push_back({key, value});
  return run;
}

std::string training_curves(const std::vector<TrainingRun>& runs) {
  std::string html = "<p class=\"legend\">";
  for (std::size_t i = 0; i < runs.size(); ++i)
    html += str("<span class=\"c", i % 8, "\"><b class=\"swatch\"></b>", escape_html(runs[i].method), "</span> ");
  html += "<span>solid: the first, dashed: the second of two losses</span></p>\n<div class=\"plots\">\n";
  for (const LossPlot& plot : kPlots) {
    std::vector<Curve> curves;
    for (std::size_t i = 0; i < runs.size(); ++i)
      for (const char* loss : {plot.solid, plot.dashed}) {
        if (!loss || runs[i].steps.empty()) continue;
        const Curve curve{str(runs[i].method, ": ", loss), static_cast<int>(i), loss == plot.dashed, runs[i].steps,
                          runs[i].losses.at(loss)};
        curves.push_back(smoothed(curve, kPoints));
      }
    html += line_plot(plot.title, "steps", curves);
  }
  return html + "</div>\n";
}

}  // namespace clade
