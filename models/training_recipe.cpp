// SPDX-License-Identifier: Apache-2.0
#include "models/training_recipe.h"

#include <charconv>
#include <memory>
#include <string_view>

#include "core/version.h"

namespace clade {

namespace {

// Scores of single epochs jump; an average over the last thousand steps is closer to the slices that were measured.
constexpr double kDefaultEma = 0.999;

// The shortest decimal form, which for whole numbers too shows that it is real.
std::string number(double value) {
  char digits[32];
  const std::string_view text(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  return str(text, text.find_first_of(".en") == text.npos ? ".0" : "");
}

}  // namespace

TrainingRecipe preset_recipe(const std::string& preset, bool paper) {
  CLADE_CHECK(preset == "mri" || preset == "ct", ErrorCode::usage, "preset '", preset, "' is not mri or ct");
  TrainingRecipe recipe;
  recipe.preset = preset;
  if (preset == "ct") {
    recipe.train.loss.lambda_gradient = 10.0;
    recipe.stride = 6;
    recipe.intensity = {IntensityRule::Kind::window, -1000.0, 1000.0};
  }
  if (paper) {
    recipe.train.loss.adversarial = AdversarialLoss::bce;
    recipe.train.loss.gradient_form = GradientForm::combined;
    recipe.train.generator.upsampling = Upsampling::transposed;
    recipe.foreground = 0.0;
    recipe.range = 1.0;
    recipe.train.learning_rate = kPaperLearningRate;
  } else {
    recipe.train.ema = kDefaultEma;
  }
  return recipe;
}

PatchSamplerOptions sampler_options(const TrainingRecipe& recipe) {
  PatchSamplerOptions options;
  options.patch = recipe.train.patch;
  options.patches_per_slice = recipe.patches_per_slice;
  options.foreground = recipe.foreground;
  options.seed = recipe.train.seed;
  return options;
}

PreparedVolume prepare_volume(const Volume& volume, const TrainingRecipe& recipe, ThreadPool& pool) {
  const PlaneAxes axes = select_axes(volume.geometry, recipe.slice_axis, recipe.plane);
  const Geometry grid = isotropic_grid(volume.geometry, axes);
  return {{std::make_shared<ResampledVolume>(volume, axes, grid, pool),
           make_intensity_map(recipe.intensity, recipe.range, volume.voxels)},
          axes.plane};
}

ModelMetadata model_metadata(const TrainingRecipe& recipe, std::optional<Plane> plane, std::int64_t steps) {
  const LossConfig& loss = recipe.train.loss;
  ModelMetadata metadata;
  metadata.norm = recipe.train.generator.norm;
  metadata.patch = recipe.train.patch;
  metadata.stride = recipe.stride;
  metadata.range = recipe.range;
  metadata.intensity = recipe.intensity;
  metadata.plane = plane;
  metadata.other = {{"adversarial", name(loss.adversarial)},
                    {"clip_gradient", number(recipe.train.clip)},
                    {"ema", number(recipe.train.ema)},
                    {"gradient_form", name(loss.gradient_form)},
                    {"lambda_cycle", number(loss.lambda_cycle)},
                    {"lambda_gradient", number(loss.lambda_gradient)},
                    {"lambda_identity", number(loss.lambda_identity)},
                    {"learning_rate", number(recipe.train.learning_rate)},
                    {"preset", recipe.preset},
                    {"seed", std::to_string(recipe.train.seed)},
                    {"steps", std::to_string(steps)},
                    {"version", kVersion}};
  return metadata;
}

}  // namespace clade
