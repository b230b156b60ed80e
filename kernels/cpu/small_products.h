// SPDX-License-Identifier: Apache-2.0
// Many matrix products with so few terms that their factors and sums stay in the L1 cache.
#pragma once

#include <cstdint>

#include "kernels/cpu/panel_product.h"

namespace clade::kernels::cpu {

/// Terms of a small product.
inline constexpr int kSmallTerms = 16;
/// Rows of a small product are a multiple of this.
inline constexpr int kSmallRows = 4;

/// Products of the same size. The left factor [rows][kSmallTerms], the right one [kSmallTerms][kPanel] and the target
/// [rows][kPanel] of each are contiguous; the steps lead to those of the next product.
struct SmallProducts {
  std::int64_t count;
  std::int64_t rows;
  std::int64_t left_step, right_step, target_step;
};

namespace detail {

template <int Rows>
[[gnu::always_inline]] inline void add_small_rows(const float* a, const float* b, float* c) {
  WideLanes sums[Rows][kRowVectors];
#pragma GCC unroll 16
  for (int row = 0; row < Rows; ++row)
    for (int i = 0; i < kRowVectors; ++i) sums[row][i] = load<WideLanes>(c + row * kPanel + i * kWideLanes);
#pragma GCC unroll 16
  for (int k = 0; k < kSmallTerms; ++k) {
    WideLanes right[kRowVectors];
    for (int i = 0; i < kRowVectors; ++i) right[i] = load<WideLanes>(b + k * kPanel + i * kWideLanes);
#pragma GCC unroll 16
    for (int row = 0; row < Rows; ++row)
      for (int i = 0; i < kRowVectors; ++i) sums[row][i] += a[row * kSmallTerms + k] * right[i];
  }
#pragma GCC unroll 16
  for (int row = 0; row < Rows; ++row)
    for (int i = 0; i < kRowVectors; ++i) store(c + row * kPanel + i * kWideLanes, sums[row][i]);
}

}  // namespace detail

/// c += a * b for each of the products. All in one call and with a fixed number of terms: otherwise calls and loops
/// would take as long as the terms.
[[gnu::noinline]] inline void add_small_products(const float* a, const float* b, float* c,
                                                 const SmallProducts& products, Ahead& ahead) {
  for (std::int64_t i = 0; i < products.count; ++i) {
    std::int64_t row = 0;
#if defined(__AVX512F__)
    for (; row + 2 * kSmallRows <= products.rows; row += 2 * kSmallRows) {
      ahead.fetch_share();
      detail::add_small_rows<2 * kSmallRows>(a + row * kSmallTerms, b, c + row * kPanel);
    }
#endif
    for (; row < products.rows; row += kSmallRows) {
      ahead.fetch_share();
      detail::add_small_rows<kSmallRows>(a + row * kSmallTerms, b, c + row * kPanel);
    }
    a += products.left_step;
    b += products.right_step;
    c += products.target_step;
  }
}

}  // namespace clade::kernels::cpu
