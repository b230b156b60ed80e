// SPDX-License-Identifier: Apache-2.0
#include "metrics/spline_sampler.h"

#include <cmath>

#include "io/line_border.h"
#include "io/spline.h"

namespace clade {

SplineSampler::SplineSampler(const Volume& volume, ThreadPool& pool)
    : geometry_(volume.geometry), coefficients_(volume.voxels) {
  for (int axis = 0; axis < 3; ++axis) {
    const int size = geometry_.size[static_cast<std::size_t>(axis)];
    const std::int64_t inner = geometry_.stride(axis);
    const std::int64_t outer = geometry_.voxel_count() / (inner * size);
    pool.parallel_for(outer, [&](std::int64_t o) {
      std::vector<double> line(static_cast<std::size_t>(size));
      for (std::int64_t i = 0; i < inner; ++i) {
        float* first = coefficients_.data() + o * inner * size + i;
        for (int n = 0; n < size; ++n) line[static_cast<std::size_t>(n)] = static_cast<double>(first[n * inner]);
        spline_prefilter(line.data(), size);
        for (int n = 0; n < size; ++n) first[n * inner] = static_cast<float>(line[static_cast<std::size_t>(n)]);
      }
    });
  }
}

double SplineSampler::at(const std::array<double, 3>& index) const {
  std::array<std::array<std::int64_t, 4>, 3> offset{};
  std::array<std::array<double, 4>, 3> weight{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const double floor = std::floor(index[axis]);
    const double t = index[axis] - floor, u = 1.0 - t;
    weight[axis] = {u * u * u / 6.0, (3.0 * t * t * t - 6.0 * t * t + 4.0) / 6.0,
                    (3.0 * u * u * u - 6.0 * u * u + 4.0) / 6.0, t * t * t / 6.0};
    for (int tap = 0; tap < 4; ++tap)
      offset[axis][static_cast<std::size_t>(tap)] =
          half_sample_reflected(static_cast<std::int64_t>(floor) - 1 + tap, geometry_.size[axis]) *
          geometry_.stride(static_cast<int>(axis));
  }
  double sum = 0.0;
  for (std::size_t k = 0; k < 4; ++k)
    for (std::size_t j = 0; j < 4; ++j) {
      double line = 0.0;
      for (std::size_t i = 0; i < 4; ++i)
        line += weight[0][i] * coefficients_[static_cast<std::size_t>(offset[0][i] + offset[1][j] + offset[2][k])];
      sum += weight[1][j] * weight[2][k] * line;
    }
  return sum;
}

}  // namespace clade
