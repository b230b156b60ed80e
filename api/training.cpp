// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include <clade/clade.hpp>

#include "api/calls.h"
#include "api/conversion.h"
#include "core/parallel.h"
#include "models/trainer.h"
#include "models/training_recipe.h"

namespace clade::api {

namespace {

TrainingRecipe to_internal(const TrainingOptions& options) {
  TrainingRecipe recipe = preset_recipe(options.preset);
  const auto counted = [](const char* name, int value, int limit) {
    CLADE_CHECK(value >= 1, ErrorCode::usage, name, " is ", value, ", expected at least 1");
    return in_range(name, value, limit);
  };
  CLADE_CHECK(options.steps >= 1, ErrorCode::usage, "steps is ", options.steps, ", expected at least 1");
  recipe.train.batch = counted("batch", options.batch, 1024);
  recipe.train.generator.base_channels = counted("base_channels", options.base_channels, 512);
  recipe.train.generator.residual_blocks = in_range("residual_blocks", options.residual_blocks, 64);
  recipe.train.learning_rate = options.learning_rate.value_or(recipe.train.learning_rate);
  CLADE_CHECK(recipe.train.learning_rate > 0.0, ErrorCode::usage, "learning_rate is ", recipe.train.learning_rate);
  recipe.train.clip = options.clip_gradient;
  CLADE_CHECK(recipe.train.clip >= 0.0, ErrorCode::usage, "clip_gradient is ", recipe.train.clip,
              ", expected 0 or more");
  recipe.train.ema = options.ema.value_or(recipe.train.ema);
  CLADE_CHECK(recipe.train.ema >= 0.0 && recipe.train.ema < 1.0, ErrorCode::usage, "ema is ", recipe.train.ema,
              ", expected 0 to less than 1");
  recipe.train.seed = options.seed;
  if (!options.norm.empty()) recipe.train.generator.norm = parse_norm(options.norm);
  if (!options.plane.empty()) recipe.plane = parse_plane(options.plane);
  if (!options.slice_axis.empty()) recipe.slice_axis = parse_axis(options.slice_axis);
  if (!options.intensity.empty()) recipe.intensity = IntensityRule::parse(options.intensity);
  return recipe;
}

// The pairs of one epoch after the other, in pieces that the trainer takes in one go.
class Training {
 public:
  Training(std::vector<Volume>&& volumes, const TrainingOptions& options)
      : options_(options),
        recipe_(to_internal(options)),
        pool_(in_range("threads", options.threads, 4096)),
        stream_(parse_device(options.device), pool_),
        sampler_(prepare(std::move(volumes)), sampler_options(recipe_)),
        trainer_(recipe_.train, stream_) {}

  void run(const std::filesystem::path& path) {
    for (std::int64_t epoch = 0; trainer_.step_count() < options_.steps; ++epoch) {
      const std::int64_t steps = sampler_.begin_epoch(epoch, pool_) / recipe_.train.batch;
      CLADE_CHECK(steps > 0, ErrorCode::input, "the volumes give less than one batch of ", recipe_.train.batch,
                  " patches");
      for (std::int64_t done = 0; done < steps && trainer_.step_count() < options_.steps;)
        done += advance(done, std::min(steps - done, options_.steps - trainer_.step_count()));
    }
    const ModelMetadata metadata = model_metadata(recipe_, plane_, trainer_.step_count());
    write_safetensors(path, LazyTensorFile{trainer_.weights(), metadata.to_strings()});
  }

 private:
  std::vector<TrainingVolume> prepare(std::vector<Volume>&& volumes) {
    const Log log = api::to_internal(options_.log);
    CLADE_CHECK(!volumes.empty(), ErrorCode::input, "no volumes to train on");
    std::vector<TrainingVolume> prepared;
    bool same_plane = true;
    for (Volume& volume : volumes) {
      const clade::Volume acquired = api::to_internal(std::move(volume));
      PreparedVolume next = prepare_volume(acquired, recipe_, pool_);
      same_plane = same_plane && next.plane == plane_.value_or(next.plane);
      plane_ = next.plane;
      log.info("volume ", prepared.size() + 1, ": ", plane_name(next.plane), " slices of low resolution");
      prepared.push_back(std::move(next.volume));
    }
    if (!same_plane) plane_.reset();
    return prepared;
  }

  // At most `most` steps from step `first` of the epoch on; returns how many. One at a time on the CPU, where each
  // takes long enough for a callback, many on a CUDA device, which must not wait for the host.
  std::int64_t advance(std::int64_t first, std::int64_t most) {
    const std::int64_t steps = stream_.device().is_cpu() ? 1 : std::min<std::int64_t>(Trainer::kMaxSteps, most);
    const std::int64_t pairs = steps * recipe_.train.batch;
    const std::int64_t pixels = std::int64_t{recipe_.train.patch} * recipe_.train.patch;
    x_.resize(static_cast<std::size_t>(pairs * pixels));
    y_.resize(x_.size());
    pool_.parallel_for(pairs, [&](std::int64_t i) {
      sampler_.read_pair(first * recipe_.train.batch + i, x_.data() + i * pixels, y_.data() + i * pixels);
    });
    trainer_.load_pairs(x_, y_);
    std::int64_t number = trainer_.step_count();
    for (const StepLosses& losses : trainer_.run(0, static_cast<int>(steps))) {
      ++number;
      CLADE_CHECK(losses.finite(), ErrorCode::numerical, "step ", number, ": a loss is not finite");
      const TrainingProgress progress{number,         options_.steps, losses.adversarial_gx, losses.discriminator_y,
                                      losses.cycle_y, losses.gradient};
      CLADE_CHECK(!options_.progress || options_.progress(progress), ErrorCode::interrupted,
                  "stopped by the progress callback");
    }
    return steps;
  }

  const TrainingOptions& options_;
  TrainingRecipe recipe_;
  ThreadPool pool_;
  Stream stream_;
  std::optional<Plane> plane_;
  PatchSampler sampler_;
  Trainer trainer_;
  std::vector<float> x_, y_;
};

}  // namespace

void train(std::vector<Volume> volumes, const std::filesystem::path& model, const TrainingOptions& options) {
  translate([&] { Training(std::move(volumes), options).run(model); });
}

}  // namespace clade::api
