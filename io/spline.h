// SPDX-License-Identifier: Apache-2.0
// Cubic B-spline interpolation along one axis (Unser, Aldroubi and Eden 1993), half-sample symmetric border.
#pragma once

#include <cstdint>
#include <vector>

#include "core/parallel.h"
#include "io/axes.h"
#include "io/volume.h"

namespace clade {

/// In-place B-spline coefficients of one line (pole sqrt(3) - 2); a line of one sample stays as it is.
void spline_prefilter(double* line, int size);

/// Four taps for one output sample.
struct SplineTap {
  std::int32_t index[4];  ///< already reflected into the line
  float weight[4];
};

/// Taps for out_size samples at x_in(j) = s (j + 1/2) - 1/2 + (in_size - s out_size) / 2 + offset, s = new / old
/// spacing.
std::vector<SplineTap> spline_taps(int in_size, int out_size, double s, double offset = 0.0);

/// A volume that is resampled along one axis when it is read: keeps the coefficients of the acquired grid, so it needs
/// the memory of the acquisition, not of the result.
class ResampledVolume {
 public:
  /// `grid` differs from volume.geometry along axes.slice only (isotropic_grid).
  ResampledVolume(const Volume& volume, const PlaneAxes& axes, const Geometry& grid, ThreadPool& pool);

  const Geometry& grid() const { return grid_; }
  const PlaneAxes& axes() const { return axes_; }

  /// The block [n0, n1, n2] = axes (a, b, c) starting at `origin` (indices on the new grid, by axis), c fastest.
  /// (a, b, c) is a permutation of the axes given as order[3]; count[d] counts along order[d].
  void read_block(const int (&order)[3], const int (&origin)[3], const int (&count)[3], float* out) const;

  /// The whole resampled volume, i fastest.
  std::vector<float> read_all(ThreadPool& pool) const;

 private:
  Geometry acquired_;
  Geometry grid_;
  PlaneAxes axes_;
  std::vector<SplineTap> taps_;
  std::vector<float> coefficients_;
};

}  // namespace clade
