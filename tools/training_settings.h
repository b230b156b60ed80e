// SPDX-License-Identifier: Apache-2.0
// All settings that the result of a training depends on, as they stand in config.json.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "models/training_recipe.h"
#include "tools/best_epoch.h"

namespace clade {

struct TrainingSettings : TrainingRecipe {
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

nlohmann::ordered_json to_json(const TrainingSettings& settings);
/// Throws Error(model) for keys that are missing, unknown or of the wrong kind.
TrainingSettings settings_from_json(const nlohmann::json& json);

}  // namespace clade
