// SPDX-License-Identifier: Apache-2.0
#include "io/spline.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "io/line_border.h"

namespace clade {

namespace {

// Pole and gain of the recursive filter that inverts sampling of the cubic B-spline.
const double kPole = std::sqrt(3.0) - 2.0;
const double kGain = (1.0 - kPole) * (1.0 - 1.0 / kPole);

// Lines filtered side by side: a cache line of floats.
constexpr std::int64_t kLanes = 16;

// Filters `lanes` lines at once: sample i of line l at panel[i * lanes + l].
void prefilter_panel(double* panel, int size, std::int64_t lanes) {
  if (size < 2) return;
  for (std::int64_t i = 0; i < size * lanes; ++i) panel[i] *= kGain;

  // c+[0] sums f[-k] z^k over the whole past; the mirrored line repeats every 2 * size samples.
  const double turn = std::pow(kPole, size);
  for (std::int64_t lane = 0; lane < lanes; ++lane) {
    double sum = 0.0;
    double power = kPole;
    for (int i = 0; i < size; ++i, power *= kPole)
      sum += power * (panel[i * lanes + lane] + turn * panel[(size - 1 - i) * lanes + lane]);
    panel[lane] += sum / (1.0 - turn * turn);
  }
  for (int i = 1; i < size; ++i) {
    double* sample = panel + i * lanes;
    for (std::int64_t lane = 0; lane < lanes; ++lane) sample[lane] += kPole * sample[lane - lanes];
  }

  double* last = panel + (size - 1) * lanes;
  for (std::int64_t lane = 0; lane < lanes; ++lane) last[lane] *= kPole / (kPole - 1.0);
  for (int i = size - 2; i >= 0; --i) {
    double* sample = panel + i * lanes;
    for (std::int64_t lane = 0; lane < lanes; ++lane) sample[lane] = kPole * (sample[lane + lanes] - sample[lane]);
  }
}

}  // namespace

void spline_prefilter(double* line, int size) { prefilter_panel(line, size, 1); }

std::vector<SplineTap> spline_taps(int in_size, int out_size, double s, double offset) {
  std::vector<SplineTap> taps(static_cast<std::size_t>(out_size));
  const double shift = 0.5 * (in_size - s * out_size) - 0.5 + offset;
  for (int j = 0; j < out_size; ++j) {
    const double x = s * (j + 0.5) + shift;
    const double base = std::floor(x);
    const double t = x - base;
    const double u = 1.0 - t;
    const double weights[4] = {u * u * u / 6.0, (3.0 * t * t * t - 6.0 * t * t + 4.0) / 6.0,
                               (3.0 * u * u * u - 6.0 * u * u + 4.0) / 6.0, t * t * t / 6.0};
    SplineTap& tap = taps[static_cast<std::size_t>(j)];
    for (int k = 0; k < 4; ++k) {
      tap.index[k] = half_sample_reflected(static_cast<std::int64_t>(base) + k - 1, in_size);
      tap.weight[k] = static_cast<float>(weights[k]);
    }
  }
  return taps;
}

ResampledVolume::ResampledVolume(const Volume& volume, const PlaneAxes& axes, const Geometry& grid, ThreadPool& pool)
    : acquired_(volume.geometry), grid_(grid), axes_(axes), coefficients_(volume.voxels.size()) {
  const auto slice = static_cast<std::size_t>(axes.slice);
  const int size = acquired_.size[slice];
  for (std::size_t axis = 0; axis < 3; ++axis)
    CLADE_CHECK(axis == slice || grid.size[axis] == acquired_.size[axis], ErrorCode::internal,
                "the grid differs from the volume along axis ", axis, " too");
  CLADE_CHECK(std::int64_t(volume.voxels.size()) == acquired_.voxel_count(), ErrorCode::internal,
              "volume without its voxels");
  taps_ = spline_taps(size, grid.size[slice], grid.spacing[slice] / acquired_.spacing[slice]);

  // Lines along the slice axis, in panels of neighbours along the fastest of the other axes.
  const int lane_axis = axes.slice == 0 ? 1 : 0;
  const int outer_axis = 3 - axes.slice - lane_axis;
  const std::int64_t lanes = acquired_.size[static_cast<std::size_t>(lane_axis)];
  const std::int64_t panels = ceil_div(lanes, kLanes);
  const std::int64_t lane_stride = acquired_.stride(lane_axis);
  const std::int64_t step = acquired_.stride(axes.slice);
  pool.parallel_for(acquired_.size[static_cast<std::size_t>(outer_axis)] * panels, [&](std::int64_t index) {
    const std::int64_t first = index % panels * kLanes;
    const std::int64_t count = std::min(kLanes, lanes - first);
    const std::int64_t start = index / panels * acquired_.stride(outer_axis) + first * lane_stride;
    const float* from = volume.voxels.data() + start;
    float* to = coefficients_.data() + start;
    std::vector<double> panel(static_cast<std::size_t>(size * count));
    for (int i = 0; i < size; ++i)
      for (std::int64_t lane = 0; lane < count; ++lane)
        panel[static_cast<std::size_t>(i * count + lane)] = from[i * step + lane * lane_stride];
    prefilter_panel(panel.data(), size, count);
    for (int i = 0; i < size; ++i)
      for (std::int64_t lane = 0; lane < count; ++lane)
        to[i * step + lane * lane_stride] = static_cast<float>(panel[static_cast<std::size_t>(i * count + lane)]);
  });
}

void ResampledVolume::read_block(const int (&order)[3], const int (&origin)[3], const int (&count)[3],
                                 float* out) const {
  const std::int64_t step = acquired_.stride(axes_.slice);
  const int inner = order[2];
  const std::int64_t inner_stride = acquired_.stride(inner);
  for (int a = 0; a < count[0]; ++a)
    for (int b = 0; b < count[1]; ++b, out += count[2]) {
      int index[3];
      index[order[0]] = origin[order[0]] + a;
      index[order[1]] = origin[order[1]] + b;
      index[inner] = origin[inner];
      const SplineTap* tap = taps_.data() + index[axes_.slice];
      index[axes_.slice] = 0;
      const float* line =
          coefficients_.data() + index[0] + index[1] * acquired_.stride(1) + index[2] * acquired_.stride(2);
      if (inner == axes_.slice) {
        for (int c = 0; c < count[2]; ++c, ++tap)
          out[c] = tap->weight[0] * line[tap->index[0] * step] + tap->weight[1] * line[tap->index[1] * step] +
                   tap->weight[2] * line[tap->index[2] * step] + tap->weight[3] * line[tap->index[3] * step];
      } else {
        const float* p0 = line + tap->index[0] * step;
        const float* p1 = line + tap->index[1] * step;
        const float* p2 = line + tap->index[2] * step;
        const float* p3 = line + tap->index[3] * step;
        for (int c = 0; c < count[2]; ++c) {
          const std::int64_t at = c * inner_stride;
          out[c] =
              tap->weight[0] * p0[at] + tap->weight[1] * p1[at] + tap->weight[2] * p2[at] + tap->weight[3] * p3[at];
        }
      }
    }
}

std::vector<float> ResampledVolume::read_all(ThreadPool& pool) const {
  std::vector<float> voxels(static_cast<std::size_t>(grid_.voxel_count()));
  pool.parallel_for(grid_.size[2], [&](std::int64_t k) {
    read_block({2, 1, 0}, {0, 0, static_cast<int>(k)}, {1, grid_.size[1], grid_.size[0]},
               voxels.data() + k * grid_.stride(2));
  });
  return voxels;
}

}  // namespace clade
