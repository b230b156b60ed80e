// SPDX-License-Identifier: Apache-2.0
#include "metrics/reference.h"

#include <cmath>

#include "tests/support/errors.h"
#include "tests/support/volumes.h"

using namespace clade;
using clade::test::error_of;
using clade::test::make_geometry;

namespace {

// 4-argument sum over one 11 x 11 window, moments about the mean: nothing shared with the library's filters.
double straight_ssim_window(const Volume& a, const Volume& b, int i, int j, int k, double range) {
  double weights = 0, mean_a = 0, mean_b = 0, var_a = 0, var_b = 0, cov = 0;
  const auto each = [&](const auto& body) {
    for (int y = -5; y <= 5; ++y)
      for (int x = -5; x <= 5; ++x) {
        const auto at = static_cast<std::size_t>(i + x + a.geometry.stride(1) * (j + y) + a.geometry.stride(2) * k);
        body(std::exp(-(x * x + y * y) / 4.5), static_cast<double>(a.voxels[at]), static_cast<double>(b.voxels[at]));
      }
  };
  each([&](double w, double va, double vb) {
    weights += w;
    mean_a += w * va;
    mean_b += w * vb;
  });
  mean_a /= weights;
  mean_b /= weights;
  each([&](double w, double va, double vb) {
    var_a += w / weights * (va - mean_a) * (va - mean_a);
    var_b += w / weights * (vb - mean_b) * (vb - mean_b);
    cov += w / weights * (va - mean_a) * (vb - mean_b);
  });
  const double c1 = 1e-4 * range * range, c2 = 9e-4 * range * range;
  return (2 * mean_a * mean_b + c1) * (2 * cov + c2) /
         ((mean_a * mean_a + mean_b * mean_b + c1) * (var_a + var_b + c2));
}

Volume noisy(const Volume& volume, double amplitude) {
  Volume result = volume;
  RandomSequence random(5, RandomUse::test, 1);
  for (float& voxel : result.voxels) voxel += static_cast<float>(amplitude * random.next_normal());
  return result;
}

}  // namespace

TEST_CASE("PSNR by hand", "[reference]") {
  Volume reference = test::random_volume(make_geometry({4, 3, 2}, {1, 1, 1}));
  Volume volume = reference;
  const Region all;
  CHECK(std::isinf(psnr(volume, reference, 100.0, all)));
  for (float& voxel : volume.voxels) voxel += 1.0f;
  CHECK(psnr(volume, reference, 100.0, all) == Approx(40.0).epsilon(1e-4));
  volume.voxels[5] += 9.0f;
  CHECK(psnr(volume, reference, 100.0, {5}) == Approx(20.0).epsilon(1e-4));
  CHECK(psnr(volume, reference, 100.0, all) == Approx(10.0 * std::log10(1e4 / ((23.0 + 100.0) / 24.0))).epsilon(1e-4));
}

TEST_CASE("SSIM is that of Wang et al., window by window", "[reference]") {
  ThreadPool pool(2);
  const Volume reference = test::random_volume(make_geometry({17, 15, 3}, {1, 1, 2}));
  const Volume volume = noisy(reference, 150.0);
  const Region all;
  double sum = 0.0;
  for (int k = 0; k < 3; ++k)
    for (int j = 5; j < 10; ++j)
      for (int i = 5; i < 12; ++i) sum += straight_ssim_window(volume, reference, i, j, k, 1000.0);
  CHECK(ssim(volume, reference, Plane::axial, 1000.0, all, pool) == Approx(sum / (3 * 5 * 7)).epsilon(1e-9));
  // One voxel as region: one window.
  const Region one{8 + 17 * (6 + 15 * 1)};
  CHECK(ssim(volume, reference, Plane::axial, 1000.0, one, pool) ==
        Approx(straight_ssim_window(volume, reference, 8, 6, 1, 1000.0)).epsilon(1e-9));
  CHECK(ssim(reference, reference, Plane::axial, 1000.0, all, pool) == Approx(1.0));
  CHECK(ssim(noisy(reference, 300.0), reference, Plane::axial, 1000.0, all, pool) <
        ssim(volume, reference, Plane::axial, 1000.0, all, pool));
}

TEST_CASE("gradient error of known slopes", "[reference]") {
  // Reference 2 i + 3 k over voxels of 1 x 1 x 1.5 mm: slopes 2 and 2 per mm.
  Volume reference;
  reference.geometry = make_geometry({6, 5, 7}, {1, 1, 1.5});
  for (int k = 0; k < 7; ++k)
    for (int j = 0; j < 5; ++j)
      for (int i = 0; i < 6; ++i) reference.voxels.push_back(static_cast<float>(2 * i + 3 * k));
  const Region all;
  CHECK(gradient_error(reference, reference, 2, all).total == 0.0);
  Volume flat = reference;
  flat.voxels.assign(flat.voxels.size(), 4.0f);
  CHECK(gradient_error(flat, reference, 2, all).total == Approx(1.0));
  CHECK(gradient_error(flat, reference, 2, all).through_plane == Approx(1.0));
  // Half the slope along k, and a slope of 1 along j that does not belong there.
  Volume other = flat;
  for (int k = 0; k < 7; ++k)
    for (int j = 0; j < 5; ++j)
      for (int i = 0; i < 6; ++i)
        other.voxels[static_cast<std::size_t>(i + 6 * (j + 5 * k))] = static_cast<float>(2 * i + j + 1.5 * k);
  CHECK(gradient_error(other, reference, 2, all).through_plane == Approx(0.5));
  CHECK(gradient_error(other, reference, 2, all).total == Approx(std::sqrt(2.0) / std::sqrt(8.0)));
  CHECK(gradient_error(other, reference, 0, all).through_plane == Approx(0.0).margin(1e-9));
  error_of(ErrorCode::input, [&] { gradient_error(reference, flat, 2, all); });
}

TEST_CASE("a list of all voxels and no list are the same", "[reference]") {
  ThreadPool pool(1);
  const Volume reference = test::random_volume(make_geometry({14, 13, 12}, {1, 1, 1})), volume = noisy(reference, 50.0);
  const Region listed = box_region(reference.geometry, {{0, 0, 0}, {14, 13, 12}});
  CHECK(psnr(volume, reference, 1.0, {}) == psnr(volume, reference, 1.0, listed));
  CHECK(ssim(volume, reference, Plane::coronal, 1.0, {}, pool) ==
        ssim(volume, reference, Plane::coronal, 1.0, listed, pool));
  CHECK(gradient_error(volume, reference, 1, {}).total == gradient_error(volume, reference, 1, listed).total);
  const Region inner = box_region(reference.geometry, {{5, 5, 5}, {6, 6, 6}});
  CHECK(gradient_error(volume, reference, 1, inner).total != gradient_error(volume, reference, 1, {}).total);
}

TEST_CASE("comparisons that mean nothing are refused", "[reference]") {
  ThreadPool pool(1);
  const Volume a = test::random_volume(make_geometry({12, 12, 3}, {1, 1, 1})),
               b = test::random_volume(make_geometry({12, 12, 4}, {1, 1, 1}));
  const Region all;
  error_of(ErrorCode::input, [&] { psnr(a, b, 1.0, all); });
  error_of(ErrorCode::input, [&] { ssim(a, b, Plane::axial, 1.0, all, pool); });
  error_of(ErrorCode::input, [&] { gradient_error(a, b, 2, all); });
  error_of(ErrorCode::usage, [&] { psnr(a, a, 0.0, all); });
  error_of(ErrorCode::usage, [&] { ssim(a, a, Plane::axial, -1.0, all, pool); });
  error_of(ErrorCode::input, [&] { ssim(a, a, Plane::sagittal, 1.0, all, pool); });  // 3 voxels high
  error_of(ErrorCode::input, [&] { ssim(a, a, Plane::axial, 1.0, {0}, pool); });     // no window around a corner
}
