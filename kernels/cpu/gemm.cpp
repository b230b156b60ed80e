// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/gemm.h"

#include <algorithm>

#include "kernels/cpu/lanes.h"

namespace clade::kernels::cpu {

namespace {

// A panel of the right factor, 16 KB, stays in the L1 cache while all rows of the left one pass by.
constexpr std::int64_t kDepth = 256;
constexpr std::int64_t kRows = 64;

/// b rows [first, first + depth), columns [column, column + width) to panel [depth][16], with zeros beyond the width.
void pack(const Matrix& b, std::int64_t first, std::int64_t depth, std::int64_t column, std::int64_t width,
          float* panel) {
  if (!b.transposed) {
    const float* in = b.data + first * b.stride + column;
    if (width == kPanel) {
      const std::int64_t next = column + kPanel < b.columns ? kPanel : 0;
      for (std::int64_t k = 0; k < depth; ++k) {
        __builtin_prefetch(in + k * b.stride + next, 0, 2);
        std::copy_n(in + k * b.stride, kPanel, panel + k * kPanel);
      }
      return;
    }
    for (std::int64_t k = 0; k < depth; ++k) {
      std::copy_n(in + k * b.stride, width, panel + k * kPanel);
      std::fill_n(panel + k * kPanel + width, kPanel - width, 0.0f);
    }
    return;
  }
  const float* in = b.data + column * b.stride + first;
  std::int64_t k = 0;
  if (width == kPanel)
    for (; k + kLanes <= depth; k += kLanes)
      for (int half = 0; half < kPanel; half += kLanes) {
        Lanes block[kLanes];
        for (int lane = 0; lane < kLanes; ++lane) block[lane] = load(in + (half + lane) * b.stride + k);
        transpose(block);
        for (int lane = 0; lane < kLanes; ++lane) store(panel + (k + lane) * kPanel + half, block[lane]);
      }
  for (; k < depth; ++k)
    for (std::int64_t i = 0; i < kPanel; ++i) panel[k * kPanel + i] = i < width ? in[i * b.stride + k] : 0.0f;
}

/// What `pack` will read of a transposed b after this panel, during products of `rows` rows with it. (Of another, it asks
/// for the next panel itself, a line for each that it reads.)
Ahead next_panel(const Matrix& b, std::int64_t first, std::int64_t depth, std::int64_t column, std::int64_t rows) {
  if (!b.transposed) return {};
  column += kPanel;
  if (column >= b.rows) {
    column = 0;
    first += kDepth;
  }
  const std::int64_t floats = std::min(depth, b.columns - first);
  if (floats <= 0) return {};
  const std::int64_t width = std::min<std::int64_t>(kPanel, b.rows - column);
  return {b.data + column * b.stride + first, ceil_div(floats, kCacheLine), width, b.stride, rows * depth};
}

/// c [rows][width] (=|+=) tile [rows][16].
void write_tile(const float* tile, std::int64_t rows, std::int64_t width, WriteMode mode, float* c,
                std::int64_t stride) {
  for (std::int64_t row = 0; row < rows; ++row, tile += kPanel, c += stride) {
    if (width < kPanel) {
      for (std::int64_t i = 0; i < width; ++i) c[i] = mode == WriteMode::overwrite ? tile[i] : c[i] + tile[i];
      continue;
    }
    for (int half = 0; half < kPanel; half += kLanes)
      store(c + half, mode == WriteMode::overwrite ? load(tile + half) : load(c + half) + load(tile + half));
  }
}

}  // namespace

void multiply(const Matrix& a, const Matrix& b, WriteMode mode, float* c, std::int64_t stride) {
  const std::int64_t rows = a.transposed ? a.columns : a.rows, depth = a.transposed ? a.rows : a.columns;
  const std::int64_t columns = b.transposed ? b.rows : b.columns;
  const std::int64_t row_step = a.transposed ? 1 : a.stride, k_step = a.transposed ? a.stride : 1;
  alignas(64) float panel[kDepth * kPanel];
  alignas(64) float tile[kRows * kPanel];
  for (std::int64_t first = 0; first < depth; first += kDepth) {
    const std::int64_t part = std::min(kDepth, depth - first);
    const WriteMode part_mode = first == 0 ? mode : WriteMode::accumulate;
    for (std::int64_t column = 0; column < columns; column += kPanel) {
      const std::int64_t width = std::min<std::int64_t>(kPanel, columns - column);
      pack(b, first, part, column, width, panel);
      Ahead ahead = next_panel(b, first, part, column, rows);
      const auto left = [&](std::int64_t row) {
        return LeftFactor{a.data + row * row_step + first * k_step, row_step, k_step};
      };
      if (width == kPanel && part_mode == WriteMode::overwrite) {
        multiply_panel(left(0), rows, panel, part, c + column, stride, ahead);
        continue;
      }
      for (std::int64_t row = 0; row < rows; row += kRows) {
        const std::int64_t count = std::min(kRows, rows - row);
        multiply_panel(left(row), count, panel, part, tile, kPanel, ahead);
        write_tile(tile, count, width, part_mode, c + row * stride + column, stride);
      }
    }
  }
}

}  // namespace clade::kernels::cpu
