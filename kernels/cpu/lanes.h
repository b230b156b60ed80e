// SPDX-License-Identifier: Apache-2.0
// Vectors of floats that every compiler of ours maps to the registers at hand, and the product kernel built on them.
#pragma once

#include <cstdint>
#include <cstring>

namespace clade::kernels::cpu {

/// Eight floats; arithmetic works lane by lane.
using Lanes = float __attribute__((vector_size(32)));
inline constexpr int kLanes = 8;

inline Lanes load(const float* from) {
  Lanes value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
inline void store(float* to, Lanes value) { std::memcpy(to, &value, sizeof value); }

/// Columns of the result that one call of `multiply_panel` makes.
inline constexpr int kPanel = 2 * kLanes;

/// The left factor of a product: element (row, k) is at data[row * row_step + k * k_step].
struct LeftFactor {
  const float* data;
  std::int64_t row_step;
  std::int64_t k_step;
};

namespace detail {

template <int Rows>
inline void multiply_rows(const LeftFactor& a, const float* b, std::int64_t depth, float* c, std::int64_t c_step) {
  Lanes low[Rows] = {}, high[Rows] = {};
  const float* left = a.data;
  for (std::int64_t k = 0; k < depth; ++k, b += kPanel, left += a.k_step) {
    const Lanes b_low = load(b), b_high = load(b + kLanes);
    for (int row = 0; row < Rows; ++row) {
      const float factor = left[row * a.row_step];
      low[row] += factor * b_low;
      high[row] += factor * b_high;
    }
  }
  for (int row = 0; row < Rows; ++row) {
    store(c + row * c_step, low[row]);
    store(c + row * c_step + kLanes, high[row]);
  }
}

}  // namespace detail

/// c [rows, kPanel] = a [rows, depth] * b [depth, kPanel]; b is contiguous, rows of c are c_step floats apart.
inline void multiply_panel(LeftFactor a, std::int64_t rows, const float* b, std::int64_t depth, float* c,
                           std::int64_t c_step) {
  const auto advance = [&](std::int64_t done) {
    rows -= done;
    a.data += done * a.row_step;
    c += done * c_step;
  };
  // Six rows by two vectors are twelve sums in flight: enough to hide the latency of a fused multiply-add. Four are
  // better than two, so eight are taken as four and four.
  while (rows >= 6 && rows != 8) {
    detail::multiply_rows<6>(a, b, depth, c, c_step);
    advance(6);
  }
  while (rows >= 4) {
    detail::multiply_rows<4>(a, b, depth, c, c_step);
    advance(4);
  }
  while (rows >= 1) {
    detail::multiply_rows<1>(a, b, depth, c, c_step);
    advance(1);
  }
}

}  // namespace clade::kernels::cpu
