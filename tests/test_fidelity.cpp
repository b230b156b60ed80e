// SPDX-License-Identifier: Apache-2.0
#include "metrics/fidelity.h"

#include <cmath>

#include "metrics/grids.h"
#include "tests/support/errors.h"
#include "tests/support/volumes.h"

using namespace clade;
using clade::test::contains;
using clade::test::error_of;
using clade::test::make_geometry;

TEST_CASE("the truth explains the acquisition exactly, along every axis", "[fidelity]") {
  ThreadPool pool(2);
  const int axis = GENERATE(0, 1, 2);
  const auto a = static_cast<std::size_t>(axis);
  std::array<int, 3> size{14, 12, 10};
  size[a] = 33;
  const Volume truth = test::random_volume(make_geometry(size, {1, 1, 1}));
  const Volume acquisition = degrade(truth, {axis, SliceProfile::boxcar, 3.0, 4.0}, pool);
  CHECK(find_resampled_axis(truth.geometry, acquisition.geometry) == axis);
  const Fidelity fidelity = data_fidelity(truth, acquisition, SliceProfile::boxcar, 3.0, 500.0, pool);
  CHECK(fidelity.rmse == 0.0);
  CHECK(fidelity.worst_slice == 0.0);
  CHECK(fidelity.difference.geometry.size == acquisition.geometry.size);
  // Another slice profile is another acquisition.
  CHECK(data_fidelity(truth, acquisition, SliceProfile::gaussian, 3.0, 500.0, pool).rmse > 1.0);
}

TEST_CASE("what was added to a result is measured and mapped", "[fidelity]") {
  ThreadPool pool(2);
  const Volume truth = test::random_volume(make_geometry({8, 8, 32}, {1, 1, 1}));
  const Volume acquisition = degrade(truth, {2, SliceProfile::boxcar, 4.0, 4.0}, pool);

  Volume brighter = truth;
  for (float& voxel : brighter.voxels) voxel += 20.0f;
  const Fidelity bias = data_fidelity(brighter, acquisition, SliceProfile::boxcar, 4.0, 1000.0, pool);
  CHECK(bias.rmse == Approx(20.0).epsilon(1e-5));
  CHECK(bias.relative_rmse == Approx(0.02).epsilon(1e-5));
  CHECK(bias.bias == Approx(0.02).epsilon(1e-5));

  // A lesion of one voxel, 400 bright, in slice 9 of 32: a quarter of it in slice 2 of 8.
  Volume lesion = truth;
  lesion.voxels[static_cast<std::size_t>(3 + 8 * (5 + 8 * 9))] += 400.0f;
  const Fidelity invented = data_fidelity(lesion, acquisition, SliceProfile::boxcar, 4.0, 1000.0, pool);
  CHECK(invented.difference.voxels[static_cast<std::size_t>(3 + 8 * (5 + 8 * 2))] == Approx(100.0).epsilon(1e-4));
  CHECK(invented.rmse == Approx(100.0 / std::sqrt(512.0)).epsilon(1e-4));
  CHECK(invented.worst_slice == Approx(0.1 / 8.0).epsilon(1e-4));

  // Detail finer than the slices leaves no trace: the acquisition cannot know.
  Volume alternating = truth;
  for (std::size_t i = 0; i < alternating.voxels.size(); ++i) alternating.voxels[i] += i / 64 % 2 == 0 ? 30.0f : -30.0f;
  CHECK(data_fidelity(alternating, acquisition, SliceProfile::boxcar, 4.0, 1000.0, pool).rmse < 1e-3);
}

TEST_CASE("volumes that do not belong together are refused", "[fidelity]") {
  ThreadPool pool(1);
  const Volume truth = test::random_volume(make_geometry({8, 8, 32}, {1, 1, 1}));
  const Volume acquisition = degrade(truth, {2, SliceProfile::boxcar, 4.0, 4.0}, pool);
  const auto refused = [&](const Volume& result) {
    return error_of(ErrorCode::input,
                    [&] { data_fidelity(result, acquisition, SliceProfile::boxcar, 4.0, 1.0, pool); });
  };
  Volume shifted = truth;
  shifted.geometry.affine[1][3] += 0.5;
  CHECK(contains(refused(shifted), "0.5 mm"));
  CHECK(contains(refused(acquisition), "8 x 8 x 8"));
  refused(test::random_volume(make_geometry({9, 8, 32}, {1, 1, 1})));
  error_of(ErrorCode::usage, [&] { data_fidelity(truth, acquisition, SliceProfile::boxcar, 4.0, 0.0, pool); });
  error_of(ErrorCode::usage, [&] { data_fidelity(truth, acquisition, SliceProfile::boxcar, -4.0, 1.0, pool); });
  CHECK(contains(error_of(ErrorCode::input, [&] { check_same_grid(shifted.geometry, truth.geometry); }), "mm"));
  check_same_grid(truth.geometry, truth.geometry);
}
