// SPDX-License-Identifier: Apache-2.0
#include "io/back_projection.h"

#include <cmath>

#include "io/spline.h"
#include "tests/support/catch.h"
#include "tests/support/volumes.h"

using namespace clade;
using clade::test::make_geometry;

namespace {

struct Case {
  Volume truth;
  Volume acquisition;
  PlaneAxes axes;
  Volume interpolated;
};

Case make_case(int axis, const SliceModel& slices, ThreadPool& pool) {
  std::array<int, 3> size{11, 12, 13};
  size[static_cast<std::size_t>(axis)] = 36;
  Case c;
  c.truth = test::random_volume(make_geometry(size, {1, 1, 1}));
  c.acquisition = degrade(c.truth, {axis, slices.profile, slices.thickness, 4.0}, pool);
  c.axes = select_axes(c.acquisition.geometry, axis, {});
  const Geometry grid = isotropic_grid(c.acquisition.geometry, c.axes);
  c.interpolated = volume_like(c.acquisition, grid);
  c.interpolated.voxels = ResampledVolume(c.acquisition, c.axes, grid, pool).read_all(pool);
  return c;
}

// Root mean square of what the result's slices lack.
double misfit(const Volume& result, const Case& c, const SliceModel& slices, ThreadPool& pool) {
  const Volume seen = degrade(result, {c.axes.slice, slices.profile, slices.thickness, 4.0}, pool);
  double sum = 0.0;
  for (std::size_t i = 0; i < seen.voxels.size(); ++i)
    sum += std::pow(static_cast<double>(seen.voxels[i]) - static_cast<double>(c.acquisition.voxels[i]), 2);
  return std::sqrt(sum / static_cast<double>(seen.voxels.size()));
}

}  // namespace

TEST_CASE("back-projection makes a result explain its slices, along every axis", "[back_projection]") {
  ThreadPool pool(2);
  const int axis = GENERATE(0, 1, 2);
  const SliceModel slices = GENERATE(SliceModel{SliceProfile::gaussian, 4.0}, SliceModel{SliceProfile::boxcar, 3.0});
  const Case c = make_case(axis, slices, pool);
  Volume result = c.interpolated;
  const double start = misfit(result, c, slices, pool);
  double before = start;
  for (int round = 0; round < 4; ++round) {
    back_project(result, c.acquisition, c.axes, slices, 1, pool);
    const double now = misfit(result, c, slices, pool);
    CHECK(now < 0.75 * before);
    before = now;
  }
  CHECK(before < 0.2 * start);

  // Rounds are what they are called, and threads change nothing.
  Volume at_once = c.interpolated;
  ThreadPool single(1);
  back_project(at_once, c.acquisition, c.axes, slices, 4, single);
  CHECK(at_once.voxels == result.voxels);
}

TEST_CASE("back-projection leaves alone what explains the slices already", "[back_projection]") {
  ThreadPool pool(2);
  const SliceModel slices{SliceProfile::boxcar, 4.0};
  const Case c = make_case(2, slices, pool);
  Volume truth = c.truth;
  back_project(truth, c.acquisition, c.axes, slices, 3, pool);
  CHECK(truth.voxels == c.truth.voxels);

  // A pattern finer than the slices does, too.
  Volume striped = c.truth;
  const std::int64_t plane = striped.geometry.stride(2);
  for (std::int64_t i = 0; i < striped.geometry.voxel_count(); ++i)
    striped.voxels[static_cast<std::size_t>(i)] += i / plane % 2 == 0 ? 30.0f : -30.0f;
  Volume result = striped;
  back_project(result, c.acquisition, c.axes, slices, 3, pool);
  double largest = 0.0;
  for (std::size_t i = 0; i < result.voxels.size(); ++i)
    largest =
        std::max(largest, std::abs(static_cast<double>(result.voxels[i]) - static_cast<double>(striped.voxels[i])));
  CHECK(largest < 1e-3);
}

TEST_CASE("a constant offset is taken back in one round", "[back_projection]") {
  ThreadPool pool(1);
  const SliceModel slices{SliceProfile::gaussian, 4.0};
  const Case c = make_case(1, slices, pool);
  Volume result = c.truth;
  for (float& voxel : result.voxels) voxel += 25.0f;
  back_project(result, c.acquisition, c.axes, slices, 1, pool);
  for (std::size_t i = 0; i < result.voxels.size(); ++i)
    REQUIRE(result.voxels[i] == Approx(c.truth.voxels[i]).margin(1e-3));
}
