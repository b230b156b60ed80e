// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/gemm.h"

#include <algorithm>

namespace clade::kernels::cpu {

namespace {

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

// Rows of products that pass through a buffer, where columns of c end within a panel.
constexpr std::int64_t kRows = 64;

/// to [rows][width] = from.
void copy_tile(const float* from, std::int64_t from_step, std::int64_t rows, std::int64_t width, float* to,
               std::int64_t to_step) {
  for (std::int64_t row = 0; row < rows; ++row, from += from_step, to += to_step) std::copy_n(from, width, to);
}

}  // namespace

MatrixPanels::MatrixPanels(const Matrix& b) : Panels(b.height(), b.width()), b_(b) {}

RightFactor MatrixPanels::take(const Part& part, float* room) const {
  for (std::int64_t i = 0; i < part.count; ++i) {
    const std::int64_t column = (part.panel + i) * kPanel;
    pack(b_, part.first, part.terms, column, std::min<std::int64_t>(kPanel, columns() - column),
         room + i * part.terms * kPanel);
  }
  return {room, part.count, part.terms * kPanel};
}

Ahead MatrixPanels::ahead(const Part& part, std::int64_t work) const {
  const std::int64_t column = part.panel * kPanel, width = std::min(part.count * kPanel, columns() - column);
  return b_.transposed ? Ahead{b_.data + column * b_.stride + part.first, ceil_div(part.terms, kCacheLine), width,
                               b_.stride, work}
                       : Ahead{b_.data + part.first * b_.stride + column, ceil_div(width, kCacheLine), part.terms,
                               b_.stride, work};
}

std::int64_t PackedPanels::size(const Matrix& b) { return ceil_div(b.width(), kPanel) * b.height() * kPanel; }

void PackedPanels::pack(const Matrix& b, std::int64_t panel, float* memory) {
  cpu::pack(b, 0, b.height(), panel * kPanel, std::min<std::int64_t>(kPanel, b.width() - panel * kPanel),
            memory + panel * b.height() * kPanel);
}

PackedPanels::PackedPanels(const Matrix& b, const float* memory) : Panels(b.height(), b.width()), memory_(memory) {}

RightFactor PackedPanels::take(const Part& part, float*) const {
  return {memory_ + (part.panel * depth() + part.first) * kPanel, part.count, depth() * kPanel};
}

Ahead PackedPanels::ahead(const Part& part, std::int64_t work) const {
  static_assert(kPanel == kCacheLine);
  return {memory_ + (part.panel * depth() + part.first) * kPanel, part.terms, part.count, depth() * kPanel, work};
}

void multiply_part(LeftFactor a, std::int64_t rows, const RightFactor& b, std::int64_t depth, std::int64_t width,
                   WriteMode mode, float* c, std::int64_t stride, Ahead& ahead) {
  if (b.count * kPanel <= width) {
    multiply_panels(a, rows, b, depth, {c, stride, kPanel, mode}, ahead);
    return;
  }
  alignas(64) float tiles[kPanelsAtOnce][kRows * kPanel] = {};
  for (; rows > 0; rows -= kRows, a.data += kRows * a.row_step, c += kRows * stride) {
    const std::int64_t height = std::min(kRows, rows);
    const auto for_each_panel = [&](const auto& body) {
      for (std::int64_t i = 0; i < b.count; ++i)
        body(tiles[i], std::min<std::int64_t>(kPanel, width - i * kPanel), c + i * kPanel);
    };
    // Added as in place, so that results do not depend on how columns are shared out.
    if (mode == WriteMode::accumulate)
      for_each_panel([&](float* tile, std::int64_t columns, const float* from) {
        copy_tile(from, stride, height, columns, tile, kPanel);
      });
    multiply_panels(a, height, b, depth, {tiles[0], kPanel, kRows * kPanel, mode}, ahead);
    for_each_panel([&](const float* tile, std::int64_t columns, float* to) {
      copy_tile(tile, kPanel, height, columns, to, stride);
    });
  }
}

void multiply(const Matrix& a, const Panels& b, const Range& columns, WriteMode mode, float* c, std::int64_t stride) {
  const std::int64_t rows = a.height();
  const std::int64_t row_step = a.transposed ? 1 : a.stride, k_step = a.transposed ? a.stride : 1;
  const Blocks sums(b.depth(), b.terms());
  alignas(64) float room[Panels::kRoom];
  const std::int64_t first_panel = columns.first / kPanel, panels = ceil_div(columns.count, kPanel);
  const std::int64_t pairs = ceil_div(panels, kPanelsAtOnce);
  const auto part = [&](std::int64_t step) {
    const std::int64_t sum = step / pairs, panel = step % pairs * kPanelsAtOnce;
    return Panels::Part{sums.first(sum), sums.size(sum), first_panel + panel,
                        std::min<std::int64_t>(kPanelsAtOnce, panels - panel)};
  };
  for (std::int64_t step = 0; step < sums.count() * pairs; ++step) {
    const Panels::Part now = part(step);
    const RightFactor right = b.take(now, room);
    Ahead ahead;
    if (step + 1 < sums.count() * pairs) ahead = b.ahead(part(step + 1), rows * now.terms);
    const std::int64_t column = (now.panel - first_panel) * kPanel;
    multiply_part({a.data + now.first * k_step, row_step, k_step}, rows, right, now.terms, columns.count - column,
                  now.first == 0 ? mode : WriteMode::accumulate, c + column, stride, ahead);
  }
}

}  // namespace clade::kernels::cpu
