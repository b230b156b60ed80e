// SPDX-License-Identifier: Apache-2.0
// SMORE from a volume to a volume.
#include "models/smore.h"

#include <cmath>

#include "core/philox.h"
#include "io/degrade.h"
#include "metrics/reference.h"
#include "models/super_resolve.h"
#include "tests/support/backend.h"
#include "tests/support/compare.h"
#include "tests/support/errors.h"
#include "tests/support/volumes.h"

using namespace clade;

namespace {

// Balls of several sizes and intensities in random places: edges in all directions.
Volume make_truth(int size) {
  Volume volume;
  volume.geometry = test::make_geometry({size, size, size}, {1, 1, 1});
  volume.voxels.assign(static_cast<std::size_t>(volume.geometry.voxel_count()), 0.0f);
  RandomSequence random(2, RandomUse::test, 0);
  for (int ball = 0; ball < 60; ++ball) {
    double centre[3];
    for (double& c : centre) c = size * random.next_uniform();
    const double radius = 3.0 + 6.0 * random.next_uniform();
    const double value = 100.0 + 900.0 * random.next_uniform();
    float* voxel = volume.voxels.data();
    for (int k = 0; k < size; ++k)
      for (int j = 0; j < size; ++j)
        for (int i = 0; i < size; ++i, ++voxel) {
          const double distance = std::hypot(i - centre[0], j - centre[1], k - centre[2]);
          const double share = std::clamp(radius - distance + 0.5, 0.0, 1.0);
          *voxel = static_cast<float>(share * value + (1.0 - share) * static_cast<double>(*voxel));
        }
  }
  return volume;
}

SmoreOptions tiny() {
  SmoreOptions options;
  options.steps = 3;
  options.batch = 5;
  options.patch = 8;
  options.channels = 5;
  options.blocks = 1;
  options.seed = 3;
  return options;
}

Volume run(const Volume& volume, const SmoreOptions& options, Stream& stream, std::vector<double>* losses = nullptr) {
  Smore smore(volume, plan_smore(volume.geometry, options), options, stream);
  smore.train([&](std::int64_t, std::int64_t, double loss) {
    if (losses) losses->push_back(loss);
    return true;
  });
  return smore.apply();
}

}  // namespace

TEST_CASE("SMORE learns from a volume and comes nearer to the truth than interpolation", "[smore]") {
  ThreadPool pool;
  Stream stream(Device{}, pool);
  const Volume truth = make_truth(64);
  DegradeOptions degradation;
  degradation.thickness = degradation.spacing = 4.0;
  const Volume thick = degrade(truth, degradation, pool);
  SmoreOptions options;
  options.steps = 240;
  options.batch = 4;
  options.patch = 16;
  options.channels = 16;
  options.blocks = 3;
  std::vector<double> losses;
  const Volume result = run(thick, options, stream, &losses);

  REQUIRE(losses.size() == 240);
  const auto mean = [&](std::size_t first) {
    double sum = 0.0;
    for (std::size_t i = first; i < first + 40; ++i) sum += losses[i] / 40;
    return sum;
  };
  CHECK(mean(200) < 0.7 * mean(0));

  const SmorePlan plan = plan_smore(thick.geometry, options);
  const double smore = psnr(result, truth, 1000.0, {});
  const double cubic = psnr(interpolate(thick, plan.axes, plan.grid, pool), truth, 1000.0, {});
  INFO("SMORE " << smore << " dB, cubic " << cubic << " dB");
  CHECK(smore > cubic + 0.5);
}

TEST_CASE("SMORE stands on the grid of CLADE, whichever axis is thick", "[smore]") {
  ThreadPool pool(1);
  Stream stream(Device{}, pool);
  for (const auto& [size, spacing] : {std::pair{std::array{36, 40, 7}, std::array{1.0, 1.0, 3.3}},
                                      std::pair{std::array{6, 40, 37}, std::array{4.0, 1.0, 1.0}},
                                      std::pair{std::array{33, 9, 48}, std::array{1.0, 2.6, 1.1}}}) {
    const Volume volume = test::random_volume(test::make_geometry(size, spacing));
    const Volume result = run(volume, tiny(), stream);
    const Geometry grid = plan_super_resolution(volume.geometry, {}, {}, {}).grid;
    CHECK(result.geometry.size == grid.size);
    CHECK(result.geometry.spacing == grid.spacing);
    CHECK(result.geometry.affine == grid.affine);
    CHECK(result.geometry.qform == grid.qform);
    CHECK(std::int64_t(result.voxels.size()) == grid.voxel_count());
  }
}

TEST_CASE("SMORE gives the same voxels whatever the number of threads, and on every device nearly so", "[smore]") {
  ON_EVERY_DEVICE(stream);
  const Volume volume = test::random_volume(test::make_geometry({24, 20, 5}, {1, 1, 2.5}));
  ThreadPool pool(1);
  Stream cpu(Device{}, pool);
  const Volume expected = run(volume, tiny(), cpu);
  const Volume result = run(volume, tiny(), stream);
  // The stream has two threads.
  if (stream.device().is_cpu()) CHECK(test::same_bits(result.voxels, expected.voxels));
  // Adam divides by the size of a gradient, so that rounding can turn into a step of the rate, 1e-3 of the range.
  CHECK(test::relative_distance(result.voxels, expected.voxels) < 1e-3);
  SmoreOptions other = tiny();
  other.seed = 4;
  CHECK_FALSE(test::same_bits(run(volume, other, stream).voxels, result.voxels));
}

TEST_CASE("SMORE refuses what it cannot learn from", "[smore]") {
  using test::error_of;
  const auto plan = [](const std::array<double, 3>& spacing, const SmoreOptions& options) {
    plan_smore(test::make_geometry({40, 40, 20}, spacing), options);
  };
  CHECK(error_of(ErrorCode::input, [&] { plan({1, 1, 1}, {}); }).find("--slice-axis") != std::string::npos);
  SmoreOptions options;
  options.slice_axis = 2;
  CHECK(error_of(ErrorCode::input, [&] { plan({1, 1, 1}, options); }).find("nothing to gain") != std::string::npos);
  options.thickness = 1.0;
  CHECK(error_of(ErrorCode::usage, [&] { plan({1, 1, 4}, options); }).find("thickness") != std::string::npos);
  options.thickness = 81.0;
  CHECK(error_of(ErrorCode::usage, [&] { plan({1, 1, 4}, options); }).find("80 mm") != std::string::npos);

  ThreadPool pool(1);
  Stream stream(Device{}, pool);
  Volume constant = test::random_volume(test::make_geometry({40, 40, 8}, {1, 1, 4}));
  constant.voxels.assign(constant.voxels.size(), 5.0f);
  error_of(ErrorCode::input, [&] { run(constant, tiny(), stream); });
}

TEST_CASE("callbacks stop SMORE in training and application", "[smore]") {
  ThreadPool pool(1);
  Stream stream(Device{}, pool);
  const Volume volume = test::random_volume(test::make_geometry({24, 20, 5}, {1, 1, 2.5}));
  Smore smore(volume, plan_smore(volume.geometry, tiny()), tiny(), stream);
  test::error_of(ErrorCode::interrupted,
                 [&] { smore.train([](std::int64_t done, std::int64_t, double) { return done < 2; }); });
  test::error_of(ErrorCode::interrupted, [&] { smore.apply([](long long, long long) { return false; }); });
}
