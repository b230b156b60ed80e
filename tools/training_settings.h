// SPDX-License-Identifier: Apache-2.0
// All settings that the result of a training depends on, as they stand in config.json.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "io/axes.h"
#include "io/intensity.h"
#include "models/config.h"
#include "models/model.h"
#include "tools/validation.h"

namespace clade {

struct TrainingSettings {
  std::string preset = "mri";
  TrainConfig train;
  int stride = 12;  ///< of the tiles when the model is applied
  IntensityRule intensity;
  double range = 0.9;
  double foreground = 0.5;
  int patches_per_slice = 4;
  std::optional<Plane> plane;
  std::optional<int> slice_axis;
  std::vector<std::string> inputs;    ///< volumes, absolute paths
  bool nan_is_background = false;     ///< of the volumes
  std::string patches;                ///< file of patches instead of volumes, absolute path
  bool shuffle = true;                ///< order of the pairs of a patch file
  std::string init;                   ///< model to start from, absolute path
  std::vector<std::string> validate;  ///< volumes, absolute paths
  std::optional<BestRule> keep_best;  ///< which of the validated epochs is kept as the best
  std::optional<std::int64_t> epochs;
  std::optional<std::int64_t> steps;  ///< the run ends at whichever of the two comes first
};

/// What --preset mri|ct stands for, and on top of it what --paper stands for.
TrainingSettings preset_settings(const std::string& preset, bool paper);

nlohmann::ordered_json to_json(const TrainingSettings& settings);
/// Throws Error(model) for keys that are missing, unknown or of the wrong kind.
TrainingSettings settings_from_json(const nlohmann::json& json);

/// What a model trained with these settings for `steps` steps on slices of `plane` tells its users.
ModelMetadata model_metadata(const TrainingSettings& settings, std::optional<Plane> plane, std::int64_t steps);

}  // namespace clade
