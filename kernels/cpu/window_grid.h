// SPDX-License-Identifier: Apache-2.0
// Correlation of an image with windows on a grid, as matrix products, and its two adjoints.
//
// All convolutions are made of these three: a direct convolution is `correlate`; a transposed one is the adjoint of a
// strided direct one, so it swaps the roles of the first two; the resize convolution is four phases of 2x2 windows.
//
//   image     [nets, n, image_h, image_w, channels]
//   features  [nets, phases, n, grid_h, grid_w, features]
//   weights   [nets, phases, features, k, k, channels]
#pragma once

#include <vector>

#include "core/stream.h"
#include "kernels/cpu/axis_map.h"
#include "kernels/cpu/epilogue.h"

namespace clade::kernels::cpu {

struct WindowGrid {
  std::int64_t nets = 1;
  std::int64_t n = 1;
  std::int64_t channels = 0;
  std::int64_t features = 0;
  int k = 0;
  /// One map for ordinary windows; two give four phases, phase 2 * row parity + column parity.
  std::vector<AxisMap> rows;
  std::vector<AxisMap> columns;

  std::int64_t phases() const { return static_cast<std::int64_t>(rows.size() * columns.size()); }
  std::int64_t groups() const { return nets * phases(); }
  const AxisMap& row_map(std::int64_t phase) const { return rows[static_cast<std::size_t>(phase) / columns.size()]; }
  const AxisMap& column_map(std::int64_t phase) const {
    return columns[static_cast<std::size_t>(phase) % columns.size()];
  }

  int image_h() const { return rows[0].extent(); }
  int image_w() const { return columns[0].extent(); }
  int grid_h() const { return rows[0].windows(); }
  int grid_w() const { return columns[0].windows(); }
  std::int64_t windows() const { return std::int64_t{grid_h()} * grid_w(); }
  std::int64_t image_size() const { return image_h() * image_w() * channels; }
  /// Values in one window.
  std::int64_t depth() const { return k * k * channels; }
};

/// features (=|+=) windows of the image * weights, then the epilogue.
void correlate(Stream& stream, const WindowGrid& grid, const float* image, const float* weights,
               const Epilogue& epilogue, WriteMode mode, float* features);

/// image (=|+=) adjoint of `correlate` in the image, applied to the features; then the epilogue.
void correlate_adjoint(Stream& stream, const WindowGrid& grid, const float* features, const float* weights,
                       const Epilogue& epilogue, WriteMode mode, float* image);

/// dweights (=|+=) adjoint of `correlate` in the weights, applied to the features.
void correlate_weight_gradient(Stream& stream, const WindowGrid& grid, const float* image, const float* features,
                               WriteMode mode, float* dweights);

}  // namespace clade::kernels::cpu
