// SPDX-License-Identifier: Apache-2.0
// A volume through unfold, network and fold.
#include <cmath>
#include <limits>

#include "core/philox.h"
#include "io/nifti.h"
#include "models/super_resolve.h"
#include "models/trainer.h"
#include "tests/support/backend.h"
#include "tests/support/catch.h"

using namespace clade;

namespace {

// A smooth random volume with anisotropic spacing, the thick axis last.
Volume make_volume(std::array<int, 3> size, double ratio, int slice_axis = 2) {
  Volume volume;
  Geometry& g = volume.geometry;
  g.size = size;
  g.spacing = {1.0, 1.0, 1.0};
  g.spacing[static_cast<std::size_t>(slice_axis)] = ratio;
  for (std::size_t a = 0; a < 3; ++a) g.affine[a][a] = g.spacing[a];
  g.sform_code = 1;
  g.sform = g.affine;
  volume.voxels.resize(static_cast<std::size_t>(g.voxel_count()));
  RandomSequence random(3, RandomUse::test, 0);
  for (float& voxel : volume.voxels) voxel = static_cast<float>(500 * random.next_uniform() - 100);
  return volume;
}

PatchFunction identity(Stream& stream) {
  return [&](View<const float> x, View<float> y) {
    stream.copy_on_device(y.data, x.data, static_cast<std::size_t>(x.size()) * sizeof(float));
  };
}

}  // namespace

TEST_CASE("an identity generator returns the interpolated volume", "[super_resolve]") {
  ON_EVERY_DEVICE(stream);
  ThreadPool& pool = stream.pool();
  struct Case {
    std::array<int, 3> size;
    double ratio;
    int slice_axis;
    int stride;
  };
  // Extents that are and are not multiples of the stride, slices smaller than a patch, every slice axis.
  for (const Case& c : {Case{{20, 44, 8}, 5.5, 2, 12}, Case{{9, 33, 16}, 4.0, 2, 8}, Case{{3, 37, 5}, 5.0, 2, 6},
                        Case{{17, 20, 4}, 3.0, 2, 12}, Case{{7, 30, 40}, 5.0, 0, 32}, Case{{35, 6, 12}, 6.0, 1, 7}}) {
    Volume volume = make_volume(c.size, c.ratio, c.slice_axis);
    SuperResolveOptions options;
    options.stride = c.stride;
    options.batch = 5;
    // A window inside the data: what lies outside must come back through the excess.
    options.intensity = IntensityRule::parse(c.stride % 2 ? "window:0,300" : "percentile:0,99.9");
    const SuperResolvePlan plan = plan_super_resolution(volume.geometry, {}, {}, options);
    const Volume expected = interpolate(volume, plan.axes, plan.grid, pool);
    const Volume result = super_resolve(std::move(volume), plan, identity(stream), stream);
    REQUIRE(result.geometry.size == plan.grid.size);
    double worst = 0, largest = 0;
    for (std::size_t i = 0; i < result.voxels.size(); ++i) {
      worst =
          std::max(worst, std::abs(static_cast<double>(result.voxels[i]) - static_cast<double>(expected.voxels[i])));
      largest = std::max(largest, std::abs(static_cast<double>(expected.voxels[i])));
    }
    INFO("size " << c.size[0] << " x " << c.size[1] << " x " << c.size[2] << ", stride " << c.stride);
    CHECK(worst <= 1e-6 * largest);
  }
}

TEST_CASE("the result is projected back on the acquired slices", "[super_resolve]") {
  ON_EVERY_DEVICE(stream);
  const int slice_axis = GENERATE(0, 2);
  Volume volume = make_volume({20, 24, 8}, 4.0, slice_axis);
  SuperResolveOptions options;
  options.back_projections = 2;
  options.thickness = 3.0;
  options.profile = SliceProfile::boxcar;
  const SuperResolvePlan plan = plan_super_resolution(volume.geometry, {}, {}, options);
  options.back_projections = 0;
  const SuperResolvePlan bare = plan_super_resolution(volume.geometry, {}, {}, options);
  CHECK(plan.peak_memory_bytes > bare.peak_memory_bytes);
  Volume expected = super_resolve(Volume(volume), bare, identity(stream), stream);
  back_project(expected, volume, plan.axes, {SliceProfile::boxcar, 3.0}, 2, stream.pool());
  CHECK(super_resolve(std::move(volume), plan, identity(stream), stream).voxels == expected.voxels);
}

TEST_CASE("super-resolution does not depend on batch, slab or threads", "[super_resolve]") {
  TrainConfig config;
  config.generator = {4, 1, Norm::demod, Upsampling::resize};
  std::vector<std::vector<float>> results;
  for (const auto& [threads, batch] : {std::pair{1, 32}, std::pair{2, 32}, std::pair{3, 7}}) {
    ThreadPool pool(threads);
    Stream stream(Device{}, pool);
    const Trainer trainer(config, stream);
    TensorFile file;
    file.tensors = load(trainer.weights());
    SuperResolver model(file, {}, stream);
    Volume volume = make_volume({18, 40, 9}, 4.3);
    SuperResolveOptions options;
    options.batch = batch;
    const SuperResolvePlan plan = plan_super_resolution(volume.geometry, model.metadata(), model.config(), options);
    results.push_back(super_resolve(std::move(volume), plan, model).voxels);
  }
  CHECK(results[0] == results[1]);
  for (std::size_t i = 0; i < results[0].size(); ++i)
    CHECK(results[2][i] == Approx(results[0][i]).epsilon(1e-5).margin(1e-3));
}

TEST_CASE("a callback stops super-resolution", "[super_resolve]") {
  ThreadPool pool(1);
  Stream stream(Device{}, pool);
  Volume volume = make_volume({40, 40, 9}, 4.0);
  const SuperResolvePlan plan = plan_super_resolution(volume.geometry, {}, {}, {});
  try {
    super_resolve(std::move(volume), plan, identity(stream), stream, [](long long, long long) { return false; });
    FAIL("not stopped");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::interrupted);
  }
}

TEST_CASE("a training with an image pool continues from its state bit by bit", "[trainer]") {
  ON_EVERY_DEVICE(stream);
  TrainConfig config;
  config.generator = {4, 1, Norm::demod, Upsampling::resize};
  config.pool = 3;
  config.batch = 2;
  const auto step = [&](Trainer& trainer, std::uint64_t index) {
    RandomSequence random(9, RandomUse::test, index);
    std::vector<float> x(2048), y(2048);
    for (float& v : x) v = static_cast<float>(1.8 * random.next_uniform() - 0.9);
    for (float& v : y) v = static_cast<float>(1.8 * random.next_uniform() - 0.9);
    return trainer.step(x, y);
  };
  Trainer unbroken(config, stream);
  for (std::uint64_t i = 0; i < 2; ++i) step(unbroken, i);  // then the pool is full
  const TensorFile saved = load(unbroken.state());
  for (std::uint64_t i = 2; i < 4; ++i) step(unbroken, i);

  Trainer resumed(config, stream);
  resumed.load_state(saved);
  CHECK(resumed.step_count() == 2);
  for (std::uint64_t i = 2; i < 4; ++i) step(resumed, i);
  const TensorFile a = load(unbroken.state()), b = load(resumed.state());
  REQUIRE(a.tensors.size() == b.tensors.size());
  for (const auto& [key, tensor] : a.tensors) {
    INFO(key);
    CHECK(tensor.values == b.at(key).values);
  }
}

TEST_CASE("steps that run in one go are the steps that run one by one", "[trainer]") {
  ON_EVERY_DEVICE(stream);
  TrainConfig config;
  config.generator = {4, 1, Norm::demod, Upsampling::resize};
  constexpr int kPairs = 3;
  RandomSequence random(9, RandomUse::test, 0);
  std::vector<float> x(kPairs * 1024), y(x.size());
  for (float& v : x) v = static_cast<float>(1.8 * random.next_uniform() - 0.9);
  for (float& v : y) v = static_cast<float>(1.8 * random.next_uniform() - 0.9);

  Trainer together(config, stream);
  together.load_pairs(x, y);
  const std::vector<StepLosses> losses = together.run(0, kPairs);
  REQUIRE(losses.size() == kPairs);
  Trainer apart(config, stream);
  for (std::size_t i = 0; i < kPairs; ++i) {
    const StepLosses one = apart.step(std::span(x).subspan(i * 1024, 1024), std::span(y).subspan(i * 1024, 1024));
    CHECK(one.generator == losses[i].generator);
    CHECK(one.discriminator_y == losses[i].discriminator_y);
  }
  const TensorFile a = load(together.state()), b = load(apart.state());
  for (const auto& [key, tensor] : a.tensors) {
    INFO(key);
    CHECK(tensor.values == b.at(key).values);
  }
}

TEST_CASE("a step whose losses are not finite changes nothing and is the last", "[trainer]") {
  ON_EVERY_DEVICE(stream);
  TrainConfig config;
  config.generator = {4, 1, Norm::demod, Upsampling::resize};
  Trainer trainer(config, stream);
  std::vector<float> x(3 * 1024, 0.25f);
  const std::vector<float> y(x.size(), -0.5f);
  x[1024] = std::numeric_limits<float>::quiet_NaN();
  trainer.load_pairs(x, y);
  trainer.run(0, 1);
  const TensorFile before = load(trainer.state());
  const std::vector<StepLosses> losses = trainer.run(1, 2);
  REQUIRE(losses.size() == 1);
  CHECK_FALSE(losses[0].finite());
  CHECK(trainer.step_count() == 1);
  const TensorFile after = load(trainer.state());
  for (const auto& [key, tensor] : before.tensors) CHECK(tensor.values == after.at(key).values);
}

TEST_CASE("models that do not fit are refused with the tensor's name", "[model]") {
  ThreadPool pool(1);
  Stream stream(Device{}, pool);
  TrainConfig config;
  config.generator = {4, 2, Norm::demod, Upsampling::transposed};
  const Trainer trainer(config, stream);
  TensorFile file;
  file.tensors = load(trainer.weights());
  const auto refused = [&](const TensorFile& broken, const std::string& word) {
    try {
      SuperResolver model(broken, {}, stream);
      FAIL("accepted");
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::model);
      CHECK(std::string(error.what()).find(word) != std::string::npos);
    }
  };
  TensorFile missing = file;
  missing.tensors.erase("generator_x.residual.1.conv2.bias");
  refused(missing, "generator_x.residual.1.conv2.bias");
  TensorFile misshapen = file;
  misshapen.tensors["generator_x.encoder.1.weight"].shape = {8, 4, 1, 9};
  refused(misshapen, "generator_x.encoder.1.weight");
  TensorFile empty;
  refused(empty, "generator_x.encoder.0.weight");
  TensorFile odd = file;
  odd.metadata["norm"] = "batch";
  refused(odd, "norm");
}
