// SPDX-License-Identifier: Apache-2.0
#include "io/edge_density.h"

#include <algorithm>
#include <cmath>

#include "io/line_border.h"

namespace clade {

namespace {

constexpr double kSigma = 2.0;
constexpr int kReach = 8;  // four standard deviations

std::vector<double> gaussian() {
  std::vector<double> weights;
  double sum = 0.0;
  for (int i = -kReach; i <= kReach; ++i) {
    weights.push_back(std::exp(-0.5 * i * i / (kSigma * kSigma)));
    sum += weights.back();
  }
  for (double& weight : weights) weight /= sum;
  return weights;
}

// Smooths along one axis in place.
void smooth(const Geometry& geometry, int axis, std::vector<float>& voxels, ThreadPool& pool) {
  const std::vector<double> weights = gaussian();
  const double* middle = weights.data() + kReach;
  const int size = geometry.size[static_cast<std::size_t>(axis)];
  const std::int64_t inner = geometry.stride(axis);
  const std::int64_t outer = geometry.voxel_count() / (inner * size);
  // Lines side by side, so that memory is read along its grain.
  constexpr std::int64_t kLanes = 64;
  const std::int64_t panels = ceil_div(inner, kLanes);
  pool.parallel_for(outer * panels, [&](std::int64_t task) {
    const std::int64_t first = task % panels * kLanes, lanes = std::min(kLanes, inner - first);
    float* block = voxels.data() + task / panels * size * inner + first;
    std::vector<float> lines(static_cast<std::size_t>(size * lanes));
    for (int i = 0; i < size; ++i) std::copy_n(block + i * inner, lanes, lines.data() + i * lanes);
    double sums[kLanes];
    for (int i = 0; i < size; ++i) {
      std::fill_n(sums, lanes, 0.0);
      for (int tap = -kReach; tap <= kReach; ++tap) {
        const float* in = lines.data() + half_sample_reflected(i + tap, size) * lanes;
        const double weight = middle[tap];
        for (std::int64_t lane = 0; lane < lanes; ++lane) sums[lane] += weight * static_cast<double>(in[lane]);
      }
      for (std::int64_t lane = 0; lane < lanes; ++lane) block[i * inner + lane] = static_cast<float>(sums[lane]);
    }
  });
}

}  // namespace

std::array<std::vector<double>, 3> cumulative_edges(const Volume& volume, ThreadPool& pool) {
  const Geometry& geometry = volume.geometry;
  std::vector<float> voxels = volume.voxels;
  for (int axis = 0; axis < 3; ++axis) smooth(geometry, axis, voxels, pool);

  const auto size = [&](int axis) { return static_cast<std::size_t>(geometry.size[static_cast<std::size_t>(axis)]); };
  std::array<std::vector<double>, 3> sums{std::vector<double>(size(0)), std::vector<double>(size(1)),
                                          std::vector<double>(size(2))};
  // The sums of each slice are kept apart, so that their order does not depend on the threads.
  std::vector<std::vector<double>> parts(size(2), std::vector<double>(size(0) + size(1)));
  pool.parallel_for(geometry.size[2], [&](std::int64_t k) {
    std::vector<double>& part = parts[static_cast<std::size_t>(k)];
    int index[3] = {0, 0, static_cast<int>(k)};
    for (index[1] = 0; index[1] < geometry.size[1]; ++index[1])
      for (index[0] = 0; index[0] < geometry.size[0]; ++index[0]) {
        const float* here = voxels.data() + index[0] + index[1] * geometry.stride(1) + k * geometry.stride(2);
        double weight = 0.0;
        for (int axis = 0; axis < 3; ++axis) {
          const int extent = geometry.size[static_cast<std::size_t>(axis)], i = index[axis];
          const float* line = here - i * geometry.stride(axis);
          const float above = line[half_sample_reflected(i + 1, extent) * geometry.stride(axis)];
          const float below = line[half_sample_reflected(i - 1, extent) * geometry.stride(axis)];
          weight += std::sqrt(0.5 * std::abs(static_cast<double>(above) - static_cast<double>(below)));
        }
        part[static_cast<std::size_t>(index[0])] += weight;
        part[size(0) + static_cast<std::size_t>(index[1])] += weight;
        sums[2][static_cast<std::size_t>(k)] += weight;
      }
  });
  for (const std::vector<double>& part : parts) {
    for (std::size_t i = 0; i < size(0); ++i) sums[0][i] += part[i];
    for (std::size_t j = 0; j < size(1); ++j) sums[1][j] += part[size(0) + j];
  }
  for (std::vector<double>& axis : sums)
    for (std::size_t i = 1; i < axis.size(); ++i) axis[i] += axis[i - 1];
  return sums;
}

int position_at(const std::vector<double>& cumulative, double share) {
  const auto found = std::upper_bound(cumulative.begin(), cumulative.end(), share * cumulative.back());
  return static_cast<int>(
      std::min<std::ptrdiff_t>(found - cumulative.begin(), static_cast<std::ptrdiff_t>(cumulative.size()) - 1));
}

}  // namespace clade
