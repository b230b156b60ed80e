// SPDX-License-Identifier: Apache-2.0
#include "io/volume.h"

#include "io/degrade.h"
#include "tests/support/catch.h"
#include "tests/support/errors.h"
#include "tests/support/volumes.h"

using namespace clade;
using clade::test::centre_of_view;
using clade::test::distance;
using clade::test::error_of;
using clade::test::make_geometry;

TEST_CASE("strides follow the order in memory", "[volume]") {
  const Geometry geometry = make_geometry({4, 5, 6}, {1, 1, 1});
  CHECK(geometry.stride(0) == 1);
  CHECK(geometry.stride(1) == 4);
  CHECK(geometry.stride(2) == 20);
  CHECK(geometry.voxel_count() == 120);
}

TEST_CASE("resampling keeps the centre of the field of view in every form", "[volume]") {
  Geometry geometry = make_geometry({10, 12, 23}, {1.2, 1.2, 6.6});
  geometry.qform[0][3] += 3.0;
  const Geometry resampled = resample_axis(geometry, 2, 127, 1.2);
  CHECK(resampled.size == std::array<int, 3>{10, 12, 127});
  CHECK(resampled.spacing == std::array<double, 3>{1.2, 1.2, 1.2});
  // Rounding of doubles only.
  CHECK(distance(centre_of_view(resampled), centre_of_view(geometry)) < 1e-12);
  Geometry by_qform = geometry, by_qform_resampled = resampled;
  by_qform.affine = geometry.qform;
  by_qform_resampled.affine = resampled.qform;
  CHECK(distance(centre_of_view(by_qform_resampled), centre_of_view(by_qform)) < 1e-12);
  CHECK(resampled.sform == resampled.affine);
  CHECK(resampled.affine[2][2] == Approx(1.2));
  CHECK(resampled.affine[0][0] == 1.2);
  // 23 slices of 6.6 mm are 151.8 mm, 127 of 1.2 mm are 152.4 mm: the new slab starts 0.3 mm before the old one.
  CHECK(resampled.affine[2][3] - 0.6 == Approx(geometry.affine[2][3] - 3.3 - 0.3));
}

TEST_CASE("thick slices of a constant volume are constant", "[degrade]") {
  ThreadPool pool(2);
  Volume volume;
  volume.geometry = make_geometry({3, 4, 20}, {1, 1, 1});
  volume.voxels.assign(240, 7.25f);
  for (SliceProfile profile : {SliceProfile::gaussian, SliceProfile::boxcar})
    for (double thickness : {0.3, 1.0, 4.7, 20.0})
      for (float voxel : degrade(volume, {2, profile, thickness, 3.1}, pool).voxels)
        CHECK(voxel == Approx(7.25f).epsilon(1e-6));  // one rounding to float
}

TEST_CASE("a boxcar of whole slices is their mean, along every axis", "[degrade]") {
  ThreadPool pool(2);
  const int axis = GENERATE(0, 1, 2);
  const auto a = static_cast<std::size_t>(axis);
  std::array<int, 3> size{4, 5, 6};
  size[a] = 12;
  const Volume volume = test::random_volume(make_geometry(size, {0.5, 0.5, 0.5}));
  const Volume thick = degrade(volume, {axis, SliceProfile::boxcar, 1.5, 1.5}, pool);
  REQUIRE(thick.geometry.size[a] == 4);
  CHECK(thick.geometry.spacing[a] == 1.5);
  CHECK(distance(centre_of_view(thick.geometry), centre_of_view(volume.geometry)) < 1e-12);
  std::size_t out = 0;
  for (int k = 0; k < thick.geometry.size[2]; ++k)
    for (int j = 0; j < thick.geometry.size[1]; ++j)
      for (int i = 0; i < thick.geometry.size[0]; ++i, ++out) {
        std::array<int, 3> at{i, j, k};
        at[a] *= 3;
        const auto first =
            static_cast<std::size_t>(at[0] + volume.geometry.stride(1) * at[1] + volume.geometry.stride(2) * at[2]);
        const auto step = static_cast<std::size_t>(volume.geometry.stride(axis));
        const double mean =
            (double{volume.voxels[first]} + volume.voxels[first + step] + volume.voxels[first + 2 * step]) / 3;
        REQUIRE(thick.voxels[out] == Approx(mean).epsilon(1e-6));  // one rounding to float
      }
}

TEST_CASE("a boxcar weighs slices by their overlap", "[degrade]") {
  ThreadPool pool(1);
  Volume volume;
  volume.geometry = make_geometry({1, 1, 5}, {1, 1, 1});
  volume.voxels = {1, 10, 100, 1000, 10000};
  // One slice of 2 mm at the centre: half of each neighbour, the whole of the middle.
  const Volume thick = degrade(volume, {2, SliceProfile::boxcar, 2.0, 5.0}, pool);
  REQUIRE(thick.voxels.size() == 1);
  CHECK(thick.voxels[0] == Approx((5.0 + 100.0 + 500.0) / 2.0));
}

TEST_CASE("a Gaussian slice has the full width at half maximum it is asked for", "[degrade]") {
  ThreadPool pool(1);
  Volume volume;
  volume.geometry = make_geometry({1, 1, 101}, {1, 1, 0.5});
  volume.voxels.assign(101, 0.0f);
  volume.voxels[50] = 1.0f;
  const Volume blurred = degrade(volume, {2, SliceProfile::gaussian, 8.0, 0.5}, pool);
  REQUIRE(blurred.voxels.size() == 101);
  // 8 samples from the centre is half of the width of 16. A sample integrates over 1/16 of the width, which changes
  // the ratio by some 1e-3.
  CHECK(blurred.voxels[58] / blurred.voxels[50] == Approx(0.5).epsilon(4e-3));
  CHECK(blurred.voxels[42] == Approx(blurred.voxels[58]).epsilon(1e-5));
}

TEST_CASE("blurring keeps the mean away from the border", "[degrade]") {
  ThreadPool pool(1);
  Volume volume;
  volume.geometry = make_geometry({1, 1, 60}, {1, 1, 1});
  volume.voxels.assign(60, 0.0f);
  for (std::size_t i = 25; i < 35; ++i) volume.voxels[i] = static_cast<float>(i);
  for (SliceProfile profile : {SliceProfile::gaussian, SliceProfile::boxcar}) {
    double before = 0.0, after = 0.0;
    for (float voxel : volume.voxels) before += voxel;
    for (float voxel : degrade(volume, {2, profile, 4.0, 2.0}, pool).voxels) after += 2.0 * voxel;
    // Samples 2 apart of a curve this wide sum to its integral: aliasing of the Gaussian is below 1e-4 of it.
    CHECK(after == Approx(before).epsilon(1e-4));
  }
}

TEST_CASE("slice options that make no sense are refused", "[degrade]") {
  ThreadPool pool(1);
  const Volume volume = test::random_volume(make_geometry({2, 2, 4}, {1, 1, 1}));
  for (const DegradeOptions& options :
       {DegradeOptions{2, SliceProfile::boxcar, 0.0, 2.0}, DegradeOptions{2, SliceProfile::boxcar, 5.0, 2.0},
        DegradeOptions{2, SliceProfile::boxcar, 2.0, 0.0}, DegradeOptions{2, SliceProfile::boxcar, 2.0, 1e-9}})
    error_of(ErrorCode::usage, [&] { degrade(volume, options, pool); });
  CHECK(degrade(volume, {2, SliceProfile::boxcar, 2.0, 100.0}, pool).voxels.size() == 4);
  CHECK(parse_slice_profile("boxcar") == SliceProfile::boxcar);
  error_of(ErrorCode::usage, [] { parse_slice_profile("box"); });
}
