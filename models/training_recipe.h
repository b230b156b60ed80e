// SPDX-License-Identifier: Apache-2.0
// What the result of a training depends on besides its volumes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "io/axes.h"
#include "io/intensity.h"
#include "io/patch_sampler.h"
#include "models/config.h"
#include "models/model.h"

namespace clade {

struct TrainingRecipe {
  std::string preset = "mri";
  TrainConfig train;
  int stride = 12;  ///< of the tiles when the model is applied
  IntensityRule intensity;
  double range = 0.9;
  double foreground = 0.5;
  int patches_per_slice = 4;
  std::optional<Plane> plane;
  std::optional<int> slice_axis;
};

/// What the presets "mri" and "ct" stand for, and on top of it what the paper prints. Throws Error(usage) for other
/// words.
TrainingRecipe preset_recipe(const std::string& preset, bool paper = false);

PatchSamplerOptions sampler_options(const TrainingRecipe& recipe);

/// A volume as the sampler wants it, and its low-resolution plane. Throws Error(input).
struct PreparedVolume {
  TrainingVolume volume;
  Plane plane;
};
PreparedVolume prepare_volume(const Volume& volume, const TrainingRecipe& recipe, ThreadPool& pool);

/// What a model trained by this recipe for `steps` steps on slices of `plane` tells its users.
ModelMetadata model_metadata(const TrainingRecipe& recipe, std::optional<Plane> plane, std::int64_t steps);

}  // namespace clade
