// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>
#include <numbers>

#include "io/degrade.h"
#include "tests/support/compare.h"
#include "tests/support/errors.h"
#include "tests/support/volumes.h"

using namespace clade;

namespace {

struct Moments {
  double mean, sd;
};

Moments moments(const std::vector<float>& values) {
  double sum = 0.0, squares = 0.0;
  const auto n = static_cast<double>(values.size());
  for (float v : values) sum += static_cast<double>(v);
  for (float v : values) squares += (static_cast<double>(v) - sum / n) * (static_cast<double>(v) - sum / n);
  return {sum / n, std::sqrt(squares / n)};
}

Volume constant(float value) {
  Volume volume = test::random_volume(test::make_geometry({60, 50, 40}, {1, 1, 1}));
  volume.voxels.assign(volume.voxels.size(), value);
  return volume;
}

}  // namespace

TEST_CASE("noise has the moments of its kind", "[degrade]") {
  ThreadPool pool(2);
  // 120 000 voxels: the mean is known to 0.3 % of the standard deviation, that to 0.2 %.
  Volume gaussian = constant(100.0f);
  add_noise(gaussian, NoiseKind::gaussian, 5.0, 1, pool);
  CHECK(moments(gaussian.voxels).mean == Approx(100.0).margin(0.06));
  CHECK(moments(gaussian.voxels).sd == Approx(5.0).epsilon(0.01));
  // Where there is no signal Rician noise is Rayleigh's.
  Volume rayleigh = constant(0.0f);
  add_noise(rayleigh, NoiseKind::rician, 5.0, 1, pool);
  CHECK(moments(rayleigh.voxels).mean == Approx(5.0 * std::sqrt(std::numbers::pi / 2)).epsilon(0.01));
  CHECK(moments(rayleigh.voxels).sd == Approx(5.0 * std::sqrt(2.0 - std::numbers::pi / 2)).epsilon(0.01));
}

TEST_CASE("noise depends on the seed, not on threads", "[degrade]") {
  ThreadPool one(1), three(3);
  Volume a = constant(7.0f), b = a, c = a, none = a;
  add_noise(a, NoiseKind::gaussian, 2.0, 4, one);
  add_noise(b, NoiseKind::gaussian, 2.0, 4, three);
  add_noise(c, NoiseKind::gaussian, 2.0, 5, one);
  add_noise(none, NoiseKind::gaussian, 0.0, 4, one);
  CHECK(test::same_bits(a.voxels, b.voxels));
  CHECK_FALSE(test::same_bits(a.voxels, c.voxels));
  CHECK(test::same_bits(none.voxels, constant(7.0f).voxels));
  test::error_of(ErrorCode::usage, [&] { add_noise(a, NoiseKind::gaussian, -1.0, 4, one); });
  test::error_of(ErrorCode::usage,
                 [&] { add_noise(a, NoiseKind::gaussian, std::numeric_limits<double>::infinity(), 4, one); });
}
