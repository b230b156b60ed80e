// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/gemm.h"

#include <algorithm>

#include "kernels/cpu/panel_product.h"

namespace clade::kernels::cpu {

namespace {

// Two panels of the right factor, 32 KB, stay in a near cache while all rows of the left one pass by.
constexpr std::int64_t kDepth = 256;
constexpr std::int64_t kRows = 64;

/// b rows [first, first + depth), columns [column, column + width) to panel [depth][16], with zeros beyond the width.
void pack(const Matrix& b, std::int64_t first, std::int64_t depth, std::int64_t column, std::int64_t width,
          float* panel) {
  if (!b.transposed) {
    const float* in = b.data + first * b.stride + column;
    if (width == kPanel) {
      for (std::int64_t k = 0; k < depth; ++k) std::copy_n(in + k * b.stride, kPanel, panel + k * kPanel);
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

/// What `pack` will read of b after these panels, during products of `rows` rows with them.
Ahead next_panels(const Matrix& b, std::int64_t first, std::int64_t depth, std::int64_t column, std::int64_t columns,
                  std::int64_t rows) {
  column += kPanelsAtOnce * kPanel;
  if (column >= columns) {
    column = 0;
    first += kDepth;
  }
  const std::int64_t terms = std::min(depth, (b.transposed ? b.columns : b.rows) - first);
  if (terms <= 0) return {};
  const std::int64_t width = std::min<std::int64_t>(kPanelsAtOnce * kPanel, columns - column);
  return b.transposed
             ? Ahead{b.data + column * b.stride + first, ceil_div(terms, kCacheLine), width, b.stride, rows * depth}
             : Ahead{b.data + first * b.stride + column, ceil_div(width, kCacheLine), terms, b.stride, rows * depth};
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
  alignas(64) float packed[kPanelsAtOnce][kDepth * kPanel];
  alignas(64) float tiles[kPanelsAtOnce][kRows * kPanel];
  for (std::int64_t first = 0; first < depth; first += kDepth) {
    const std::int64_t part = std::min(kDepth, depth - first);
    const WriteMode part_mode = first == 0 ? mode : WriteMode::accumulate;
    for (std::int64_t column = 0; column < columns; column += kPanelsAtOnce * kPanel) {
      const std::int64_t rest = columns - column;
      const std::int64_t count = std::min<std::int64_t>(kPanelsAtOnce, ceil_div(rest, kPanel));
      const auto width = [&](std::int64_t panel) { return std::min<std::int64_t>(kPanel, rest - panel * kPanel); };
      for (std::int64_t i = 0; i < count; ++i) pack(b, first, part, column + i * kPanel, width(i), packed[i]);
      const RightFactor right{packed[0], count, kDepth * kPanel};
      Ahead ahead = next_panels(b, first, part, column, columns, rows);
      const auto left = [&](std::int64_t row) {
        return LeftFactor{a.data + row * row_step + first * k_step, row_step, k_step};
      };
      if (count * kPanel <= rest && part_mode == WriteMode::overwrite) {
        multiply_panels(left(0), rows, right, part, {c + column, stride, kPanel}, ahead);
        continue;
      }
      for (std::int64_t row = 0; row < rows; row += kRows) {
        const std::int64_t height = std::min(kRows, rows - row);
        multiply_panels(left(row), height, right, part, {tiles[0], kPanel, kRows * kPanel}, ahead);
        for (std::int64_t i = 0; i < count; ++i)
          write_tile(tiles[i], height, width(i), part_mode, c + row * stride + column + i * kPanel, stride);
      }
    }
  }
}

}  // namespace clade::kernels::cpu
