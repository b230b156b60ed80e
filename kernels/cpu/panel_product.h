// SPDX-License-Identifier: Apache-2.0
// The kernel of all matrix products: rows of a left factor times panels, 16 columns wide, of a right one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "kernels/cpu/lanes.h"
#include "kernels/kernel_types.h"

namespace clade::kernels::cpu {

/// Columns of a panel.
inline constexpr int kPanel = 2 * kLanes;

/// The next multiple of a panel's width.
constexpr std::int64_t round_up(std::int64_t size) { return (size + kPanel - 1) / kPanel * kPanel; }

/// The step between long rows of `size` floats, or between parts of an array that are touched at once: off powers of
/// two, because addresses that differ by 4 KiB share a set of the L1 cache.
constexpr std::int64_t padded(std::int64_t size) { return round_up(size) + kPanel; }

/// Panels that one call takes at most.
inline constexpr int kPanelsAtOnce = 2;

/// Rows that products are best given in multiples of.
inline constexpr int kRowsAtOnce = 8;

/// The left factor of a product: element (row, k) is at data[row * row_step + k * k_step]. Where k_step is 1, rows are
/// asked for before their turn; `next` is where those of the next call begin, or null.
struct LeftFactor {
  const float* data;
  std::int64_t row_step;
  std::int64_t k_step;
  const float* next = nullptr;
};

/// The right factor of a product: `count` (1 or 2) contiguous panels [depth, kPanel], `step` floats apart.
struct RightFactor {
  const float* data;
  std::int64_t count;
  std::int64_t step;
};

/// Where a product goes: element (row, column) of a panel is at data[panel * panel_step + row * row_step + column].
struct ProductTarget {
  float* data;
  std::int64_t row_step;
  std::int64_t panel_step;
  WriteMode mode = WriteMode::overwrite;
};

/// Cache lines that will be needed later, asked for a few at a time between products: many at once would fill the queue
/// of misses, and products behind them would wait.
class Ahead {
 public:
  /// Terms of the sums of a block of rows between two shares: a cache line of a row.
  static constexpr std::int64_t kTerms = kCacheLine;

  Ahead() = default;
  /// `lines` cache lines from each of `rows` rows `row_step` floats apart, during calls of `multiply_panels` that sum
  /// `work` terms a column and panel, all rows of all calls together.
  Ahead(const float* first, std::int64_t lines, std::int64_t rows, std::int64_t row_step, std::int64_t work)
      : next_(first),
        lines_(lines),
        rest_(lines),
        rows_(rows),
        row_step_(row_step),
        share_(lines * rows * kRowsAtOnce * kTerms / work + 1) {}

  void fetch_share() {
    for (std::int64_t share = share_; share > 0 && rows_ > 0;) {
      const std::int64_t count = std::min(share, rest_);
      for (std::int64_t i = 0; i < count; ++i) __builtin_prefetch(next_ + i * kCacheLine, 0, 2);
      share -= count;
      rest_ -= count;
      next_ += count * kCacheLine;
      if (rest_ > 0) return;
      next_ += row_step_ - lines_ * kCacheLine;
      rest_ = lines_;
      --rows_;
    }
  }

 private:
  const float* next_ = nullptr;
  std::int64_t lines_ = 0;
  std::int64_t rest_ = 0;  // lines of the row
  std::int64_t rows_ = 0;
  std::int64_t row_step_ = 0;
  std::int64_t share_ = 0;
};

namespace detail {

// Vectors that hold a row of a panel.
inline constexpr int kRowVectors = kPanel / kWideLanes;

/// Rows by Panels products, the sums in registers. Asks for as many rows at a.next, if that is not null.
template <WriteMode mode, int Rows, int Panels>
[[gnu::always_inline]] inline void multiply_rows(LeftFactor a, const float* b, std::int64_t b_step, std::int64_t depth,
                                                 ProductTarget c, Ahead& ahead) {
  constexpr int kVectors = Panels * kRowVectors;
  const auto target = [&](int row, int i) __attribute__((always_inline)) {
    return c.data + row * c.row_step + i / kRowVectors * c.panel_step + i % kRowVectors * kWideLanes;
  };
  WideLanes sums[Rows][kVectors];
#pragma GCC unroll 16
  for (int row = 0; row < Rows; ++row)
    for (int i = 0; i < kVectors; ++i)
      sums[row][i] = mode == WriteMode::accumulate ? load<WideLanes>(target(row, i)) : WideLanes{};
  const float* left = a.data;
  const std::int64_t row_step = a.row_step, k_step = a.k_step;
  const auto add_terms = [&](auto count) {
    for (std::int64_t k = 0; k < count; ++k, b += kPanel, left += k_step) {
      WideLanes right[kVectors];
      for (int i = 0; i < kVectors; ++i)
        right[i] = load<WideLanes>(b + i / kRowVectors * b_step + i % kRowVectors * kWideLanes);
#pragma GCC unroll 16
      for (int row = 0; row < Rows; ++row) {
        const float factor = left[row * row_step];
        for (int i = 0; i < kVectors; ++i) sums[row][i] += factor * right[i];
      }
    }
  };
  for (; depth >= Ahead::kTerms; depth -= Ahead::kTerms) {
    ahead.fetch_share();
    if (a.next) {
      for (int row = 0; row < Rows; ++row) __builtin_prefetch(a.next + row * row_step, 0, 3);
      a.next += Ahead::kTerms;
    }
    add_terms(std::integral_constant<std::int64_t, Ahead::kTerms>{});
  }
  add_terms(depth);
#pragma GCC unroll 16
  for (int row = 0; row < Rows; ++row)
    for (int i = 0; i < kVectors; ++i) store(target(row, i), sums[row][i]);
}

/// Rows by all panels; without registers for the sums of two, by one after the other.
template <WriteMode mode, int Rows>
[[gnu::always_inline]] inline void multiply_rows(const LeftFactor& a, const RightFactor& b, std::int64_t depth,
                                                 const ProductTarget& c, Ahead& ahead) {
#if defined(__AVX512F__)
  if (b.count == kPanelsAtOnce) {
    multiply_rows<mode, Rows, kPanelsAtOnce>(a, b.data, b.step, depth, c, ahead);
    return;
  }
#endif
  multiply_rows<mode, Rows, 1>(a, b.data, 0, depth, c, ahead);
  if (b.count == 1) return;
  Ahead nothing;
  multiply_rows<mode, Rows, 1>({a.data, a.row_step, a.k_step}, b.data + b.step, 0, depth,
                               {c.data + c.panel_step, c.row_step, 0}, nothing);
}

/// All rows: as many sums in flight as registers hold and latency asks for, six rows by two vectors of sixteen
/// registers, eight rows of large ones. Four rows are better than two, so without the latter eight are taken as four
/// and four.
template <WriteMode mode>
[[gnu::always_inline]] inline void multiply_rows(LeftFactor a, std::int64_t rows, const RightFactor& b,
                                                 std::int64_t depth, ProductTarget c, Ahead& ahead) {
  const float* following = a.k_step == 1 ? a.next : nullptr;
  const auto take = [&](auto count) __attribute__((always_inline)) {
    rows -= count;
    a.next = a.k_step == 1 && rows >= count ? a.data + count * a.row_step : following;
    multiply_rows<mode, count>(a, b, depth, c, ahead);
    a.data += count * a.row_step;
    c.data += count * c.row_step;
  };
#if defined(__AVX512F__)
  // Nine at a time take care of a rest, such as of the 3 x 3 pixels that a patch is for the discriminator's last
  // layers.
  std::int64_t nines = rows % kRowsAtOnce <= rows / kRowsAtOnce ? rows % kRowsAtOnce : 0;
  for (; nines > 0; --nines) take(std::integral_constant<int, kRowsAtOnce + 1>{});
  while (rows >= kRowsAtOnce) take(std::integral_constant<int, kRowsAtOnce>{});
#endif
  while (rows >= 6 && rows != 8) take(std::integral_constant<int, 6>{});
  while (rows >= 4) take(std::integral_constant<int, 4>{});
  while (rows >= 1) take(std::integral_constant<int, 1>{});
}

/// A call of its own: inlined into a large caller, the distances between rows would not stay in registers.
template <WriteMode mode>
[[gnu::noinline]] inline void multiply_once(const LeftFactor& a, std::int64_t rows, const RightFactor& b,
                                            std::int64_t depth, const ProductTarget& c, Ahead& ahead) {
  multiply_rows<mode>(a, rows, b, depth, c, ahead);
}

}  // namespace detail

/// c (=|+=) a * b for `rows` rows of a and all panels of b, sums over `depth` terms.
inline void multiply_panels(const LeftFactor& a, std::int64_t rows, const RightFactor& b, std::int64_t depth,
                            const ProductTarget& c, Ahead& ahead) {
  if (c.mode == WriteMode::overwrite) {
    detail::multiply_once<WriteMode::overwrite>(a, rows, b, depth, c, ahead);
  } else {
    detail::multiply_once<WriteMode::accumulate>(a, rows, b, depth, c, ahead);
  }
}

/// multiply_panels for a few rows of a left factor whose sums are long: half of the terms at a time, so that the panels
/// and the rows that are asked for ahead fit into the L1 cache together.
inline void multiply_halves(const LeftFactor& a, std::int64_t rows, const RightFactor& b, std::int64_t depth,
                            const ProductTarget& c, Ahead& ahead) {
  constexpr std::int64_t kLong = 128;
  if (depth <= kLong) {
    multiply_panels(a, rows, b, depth, c, ahead);
    return;
  }
  const std::int64_t half = depth / 2;
  multiply_panels({a.data, a.row_step, 1, a.data + half}, rows, {b.data, b.count, b.step}, half, c, ahead);
  multiply_panels({a.data + half, a.row_step, 1, a.next}, rows, {b.data + half * kPanel, b.count, b.step}, depth - half,
                  {c.data, c.row_step, c.panel_step, WriteMode::accumulate}, ahead);
}

}  // namespace clade::kernels::cpu
