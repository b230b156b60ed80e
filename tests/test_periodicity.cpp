// SPDX-License-Identifier: Apache-2.0
#include "metrics/periodicity.h"

#include <cmath>
#include <numbers>

#include "metrics/piqe.h"
#include "tests/support/errors.h"
#include "tests/support/volumes.h"

using namespace clade;
using clade::test::error_of;
using clade::test::make_geometry;

namespace {

// Adds amplitude * wave(index along the axis).
template <class Wave>
Volume with_wave(Volume volume, int axis, const Wave& wave) {
  const std::int64_t stride = volume.geometry.stride(axis), size = volume.geometry.size[static_cast<std::size_t>(axis)];
  for (std::size_t i = 0; i < volume.voxels.size(); ++i)
    volume.voxels[i] += static_cast<float>(wave(static_cast<double>(static_cast<std::int64_t>(i) / stride % size)));
  return volume;
}

Volume noise(const std::array<int, 3>& size) { return test::random_volume(make_geometry(size, {1, 1, 1}), -1.0, 1.0); }

// Mean of neighbours, five times: a picture without fine detail along k.
Volume smoothed(Volume volume) {
  const std::int64_t stride = volume.geometry.stride(2);
  for (int pass = 0; pass < 5; ++pass) {
    const std::vector<float> before = volume.voxels;
    for (std::size_t i = static_cast<std::size_t>(stride); i + static_cast<std::size_t>(stride) < before.size(); ++i)
      volume.voxels[i] = 0.25f * before[i - static_cast<std::size_t>(stride)] + 0.5f * before[i] +
                         0.25f * before[i + static_cast<std::size_t>(stride)];
  }
  return volume;
}

}  // namespace

TEST_CASE("white noise has a flat spectrum whose density is its variance", "[periodicity]") {
  ThreadPool pool(2);
  const Volume volume = noise({40, 33, 70});
  for (int axis : {0, 1, 2})
    for (double density : spectral_density(volume, axis, 32, {0.1, 0.25, 0.37, 0.5}, pool))
      CHECK(density == Approx(1.0 / 3.0).epsilon(0.05));  // some 1000 independent segments an axis
}

TEST_CASE("the density of a wave is the analytic one", "[periodicity]") {
  ThreadPool pool(2);
  Volume flat = noise({6, 5, 64});
  flat.voxels.assign(flat.voxels.size(), 10.0f);
  const double pi = std::numbers::pi;
  const Volume waves =
      with_wave(flat, 2, [&](double n) { return 3.0 * std::cos(pi * n) + 2.0 * std::cos(pi / 2 * n + 0.4); });
  // A Hann window of L values sums up to L / 2 and its squares to 3 L / 8, so amplitude A gives A^2 (L / 2)^2 / (3 L /
  // 8) at the frequency 1/2 and a quarter of that elsewhere.
  const std::vector<double> density = spectral_density(waves, 2, 32, {0.5, 0.25, 0.375}, pool);
  CHECK(density[0] == Approx(9.0 * 32 * 2 / 3).epsilon(1e-5));
  CHECK(density[1] == Approx(4.0 / 4 * 32 * 2 / 3).epsilon(1e-5));
  CHECK(density[2] < 1e-6);
}

TEST_CASE("detail as in the acquisition scores 1, interpolation much less", "[periodicity]") {
  ThreadPool pool(2);
  const Volume acquisition = noise({64, 70, 12}), result = noise({64, 70, 60});
  for (const PeriodEnergy& energy : periodicity(result, 2, acquisition, {2, 4, 5}, pool)) {
    CHECK(energy.ratio == Approx(1.0).epsilon(0.1));
    CHECK(energy.peak.value() == Approx(1.0).epsilon(0.1));
    CHECK(energy.excess.value() < 0.1);
  }
  const auto soft = periodicity(smoothed(result), 2, acquisition, {2, 4}, pool);
  CHECK(soft[0].ratio < 1e-3);
  CHECK(soft[1].ratio < 0.1);
}

TEST_CASE("patterns show at their period and nowhere else", "[periodicity]") {
  ThreadPool pool(2);
  const Volume acquisition = noise({64, 70, 12}), clean = smoothed(noise({64, 70, 140}));
  const auto before = periodicity(clean, 2, acquisition, {2, 4, 12}, pool);
  for (std::size_t at = 0; at < 3; ++at) {
    const double period = before[at].period;
    const Volume patterned =
        with_wave(clean, 2, [&](double n) { return 0.3 * std::cos(2.0 * std::numbers::pi * n / period); });
    const auto after = periodicity(patterned, 2, acquisition, {2, 4, 12}, pool);
    for (std::size_t other = 0; other < 3; ++other) {
      INFO("pattern of " << period << " at " << before[other].period);
      if (other == at) {
        CHECK(after[other].ratio > before[other].ratio + 1.0);
        CHECK(after[other].peak.value() > 4.0 * before[other].peak.value());
        CHECK(after[other].excess.value() == Approx(after[other].ratio - before[other].ratio).epsilon(0.1));
      } else {
        CHECK(after[other].ratio == Approx(before[other].ratio).margin(0.02));
      }
    }
  }
}

TEST_CASE("a checkerboard that PIQE likes is exposed", "[periodicity]") {
  ThreadPool pool(2);
  // Waves that a plane could hold, and the same with a checkerboard in sagittal slices.
  Volume result;
  result.geometry = make_geometry({4, 96, 96}, {1, 1, 1});
  for (int k = 0; k < 96; ++k)
    for (int j = 0; j < 96; ++j)
      for (int i = 0; i < 4; ++i)
        result.voxels.push_back(static_cast<float>(128.0 + 50.0 * std::sin(j / 9.0) * std::cos(k / 11.0)));
  const Volume acquisition = noise({96, 96, 8});
  Volume checkered = result;
  for (std::size_t i = 0; i < checkered.voxels.size(); ++i)
    checkered.voxels[i] += (i / 4 + i / 384) % 2 == 0 ? 3.0f : -3.0f;
  const IntensityMap map{0.0, 255.0, 1.0};
  const auto score = [&](const Volume& volume) { return piqe_slices(volume, Plane::sagittal, map, pool)[1].score; };
  CHECK(score(checkered) < score(result) - 10.0);
  CHECK(periodicity(result, 2, acquisition, {2}, pool)[0].ratio < 0.1);
  CHECK(periodicity(result, 2, acquisition, {2}, pool)[0].excess.value() < 0.1);
  CHECK(periodicity(checkered, 2, acquisition, {2}, pool)[0].excess.value() > 100.0);
}

TEST_CASE("noise that the acquisition's plane does not have is no pattern", "[periodicity]") {
  // As in CT: a reconstruction filter smooths the plane, but not across slices.
  ThreadPool pool(2);
  const Volume result = noise({64, 70, 60});
  Volume acquisition = smoothed(noise({12, 70, 64}));  // smooth along its third axis
  std::swap(acquisition.geometry.size[0], acquisition.geometry.size[2]);
  Volume plane = acquisition;  // [64, 70, 12], smooth along i; then along j by the same means
  for (int k = 0; k < 12; ++k)
    for (int j = 0; j < 70; ++j)
      for (int i = 0; i < 64; ++i)
        plane.voxels[static_cast<std::size_t>(i + 64 * (j + 70 * k))] =
            acquisition.voxels[static_cast<std::size_t>(k + 12 * (j + 70 * i))];
  for (int pass = 0; pass < 10; ++pass)
    for (std::size_t i = 0; i + 64 < plane.voxels.size(); ++i)
      plane.voxels[i] = 0.5f * (plane.voxels[i] + plane.voxels[i + 64]);
  const PeriodEnergy energy = periodicity(result, 2, plane, {2}, pool)[0];
  CHECK(energy.ratio > 20.0);
  CHECK(energy.peak.value() == Approx(1.0).epsilon(0.1));
  CHECK(energy.excess.value() < 0.1 * energy.ratio);
}

TEST_CASE("seams of tiles show at their stride only", "[periodicity]") {
  ThreadPool pool(2);
  const int axis = GENERATE(0, 1, 2);
  std::array<int, 3> size{30, 30, 30};
  size[static_cast<std::size_t>(axis)] = 120;
  const Volume clean = smoothed(noise(size));
  CHECK(seam_contrast(clean, axis, 12, pool) == Approx(1.0).margin(0.1));
  // Tiles of alternating brightness, 12 wide: a step at every seam.
  const Volume tiles = with_wave(clean, axis, [](double n) { return std::fmod(n, 24.0) < 12.0 ? 0.3 : -0.3; });
  CHECK(seam_contrast(tiles, axis, 12, pool) > 1.5);
  CHECK(seam_contrast(tiles, axis, 7, pool) < 1.4);
  // Steps by hand: 1 everywhere but 4 at the seams, so 4 / (15 / 12).
  const Volume stairs = with_wave(test::random_volume(make_geometry(size, {1, 1, 1}), 0.0, 0.0), axis,
                                  [](double n) { return n + 3.0 * std::floor(n / 12.0); });
  CHECK(seam_contrast(stairs, axis, 12, pool) == Approx(3.2));
  error_of(ErrorCode::usage, [&] { seam_contrast(clean, axis, 1, pool); });
  error_of(ErrorCode::input, [&] { seam_contrast(clean, axis, 41, pool); });
  Volume flat = clean;
  flat.voxels.assign(flat.voxels.size(), 3.0f);
  error_of(ErrorCode::input, [&] { seam_contrast(flat, axis, 12, pool); });
}

TEST_CASE("periods that cannot be measured are refused or left open", "[periodicity]") {
  ThreadPool pool(1);
  const Volume acquisition = noise({32, 32, 6}), result = noise({32, 32, 30});
  error_of(ErrorCode::usage, [&] { periodicity(result, 2, acquisition, {1.5}, pool); });
  error_of(ErrorCode::input, [&] { periodicity(noise({32, 32, 15}), 2, acquisition, {2}, pool); });
  error_of(ErrorCode::input, [&] { periodicity(result, 2, noise({32, 15, 6}), {2}, pool); });
  error_of(ErrorCode::usage, [&] { spectral_density(result, 2, 31, {0.5}, pool); });
  Volume flat = acquisition;
  flat.voxels.assign(flat.voxels.size(), 1.0f);
  error_of(ErrorCode::input, [&] { periodicity(result, 2, flat, {2}, pool); });
  // 16 voxels cannot tell a period of 12 from its surroundings.
  CHECK_FALSE(periodicity(result, 2, acquisition, {12}, pool)[0].peak.has_value());
  CHECK_FALSE(periodicity(result, 2, acquisition, {12}, pool)[0].excess.has_value());
}
