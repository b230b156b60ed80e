// SPDX-License-Identifier: Apache-2.0
#include "tools/training_settings.h"

#include "core/version.h"
#include "tools/json_integer.h"

namespace clade {

namespace {

constexpr const char* kAxisNames[] = {"i", "j", "k"};

template <class T>
nlohmann::ordered_json optional_json(const std::optional<T>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}

template <class T>
std::optional<T> optional_at(const nlohmann::json& json, const char* key) {
  const nlohmann::json& value = json.at(key);
  return value.is_null() ? std::optional<T>() : value.get<T>();
}

std::optional<std::int64_t> optional_integer_at(const nlohmann::json& json, const char* key) {
  return json.at(key).is_null() ? std::optional<std::int64_t>() : integer_at<std::int64_t>(json, key);
}

}  // namespace

nlohmann::ordered_json to_json(const TrainingSettings& s) {
  const TrainConfig& train = s.train;
  nlohmann::ordered_json json;
  json["version"] = kVersion;
  json["preset"] = s.preset;
  json["norm"] = name(train.generator.norm);
  json["base_channels"] = train.generator.base_channels;
  json["residual_blocks"] = train.generator.residual_blocks;
  json["upsample"] = name(train.generator.upsampling);
  json["adversarial"] = name(train.loss.adversarial);
  json["gradient_form"] = name(train.loss.gradient_form);
  json["lambda_cycle"] = train.loss.lambda_cycle;
  json["lambda_identity"] = train.loss.lambda_identity;
  json["lambda_gradient"] = train.loss.lambda_gradient;
  json["learning_rate"] = train.learning_rate;
  json["batch"] = train.batch;
  json["ema"] = train.ema;
  json["clip_gradient"] = train.clip;
  json["pool"] = train.pool;
  json["precision"] = name(train.precision);
  json["patch"] = train.patch;
  json["patches_per_slice"] = s.patches_per_slice;
  json["foreground"] = s.foreground;
  json["range"] = s.range;
  json["intensity"] = s.intensity.text();
  json["stride"] = s.stride;
  json["plane"] = s.plane ? nlohmann::ordered_json(plane_name(*s.plane)) : nlohmann::ordered_json(nullptr);
  json["slice_axis"] =
      s.slice_axis ? nlohmann::ordered_json(kAxisNames[*s.slice_axis]) : nlohmann::ordered_json(nullptr);
  json["seed"] = train.seed;
  json["epochs"] = optional_json(s.epochs);
  json["steps"] = optional_json(s.steps);
  json["init"] = s.init;
  json["inputs"] = s.inputs;
  json["nan_is_background"] = s.nan_is_background;
  json["patches"] = s.patches;
  json["shuffle"] = s.shuffle;
  json["validate"] = s.validate;
  json["keep_best"] = s.keep_best ? nlohmann::ordered_json(s.keep_best->text()) : nlohmann::ordered_json(nullptr);
  return json;
}

TrainingSettings settings_from_json(const nlohmann::json& json) {
  try {
    TrainingSettings s;
    TrainConfig& train = s.train;
    s.preset = json.at("preset").get<std::string>();
    train.generator.norm = parse_norm(json.at("norm").get<std::string>());
    train.generator.base_channels = integer_at<int>(json, "base_channels");
    train.generator.residual_blocks = integer_at<int>(json, "residual_blocks");
    train.generator.upsampling = parse_upsampling(json.at("upsample").get<std::string>());
    train.loss.adversarial = parse_adversarial(json.at("adversarial").get<std::string>());
    train.loss.gradient_form = parse_gradient_form(json.at("gradient_form").get<std::string>());
    train.loss.lambda_cycle = json.at("lambda_cycle").get<double>();
    train.loss.lambda_identity = json.at("lambda_identity").get<double>();
    train.loss.lambda_gradient = json.at("lambda_gradient").get<double>();
    train.learning_rate = json.at("learning_rate").get<double>();
    train.batch = integer_at<int>(json, "batch");
    train.ema = json.value("ema", 0.0);
    train.clip = json.value("clip_gradient", 0.0);
    train.pool = integer_at<int>(json, "pool");
    train.precision = parse_precision(json.value("precision", name(train.precision)));
    train.patch = integer_at<int>(json, "patch");
    train.seed = integer_at<std::uint64_t>(json, "seed");
    s.patches_per_slice = integer_at<int>(json, "patches_per_slice");
    s.foreground = json.at("foreground").get<double>();
    s.range = json.at("range").get<double>();
    s.intensity = IntensityRule::parse(json.at("intensity").get<std::string>());
    s.stride = integer_at<int>(json, "stride");
    if (const auto plane = optional_at<std::string>(json, "plane")) s.plane = parse_plane(*plane);
    if (const auto axis = optional_at<std::string>(json, "slice_axis")) s.slice_axis = parse_axis(*axis);
    s.epochs = optional_integer_at(json, "epochs");
    s.steps = optional_integer_at(json, "steps");
    s.init = json.at("init").get<std::string>();
    s.inputs = json.at("inputs").get<std::vector<std::string>>();
    s.nan_is_background = json.value("nan_is_background", false);
    s.patches = json.at("patches").get<std::string>();
    s.shuffle = json.at("shuffle").get<bool>();
    s.validate = json.at("validate").get<std::vector<std::string>>();

    if (json.contains("keep_best"))
      if (const auto rule = optional_at<std::string>(json, "keep_best")) s.keep_best = BestRule::parse(*rule);

    const nlohmann::ordered_json known = to_json(s);
    for (const auto& [key, value] : json.items())
      CLADE_CHECK(known.contains(key), ErrorCode::model, "unknown key '", key, "'");
    return s;
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorCode::model, error.what());
  } catch (const Error& error) {
    throw Error(ErrorCode::model, error.what());
  }
}

}  // namespace clade
