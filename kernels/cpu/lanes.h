// SPDX-License-Identifier: Apache-2.0
// Vectors of floats that every compiler of ours maps to the registers at hand, and the product kernel built on them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace clade::kernels::cpu {

/// Eight floats; arithmetic works lane by lane.
#if defined(__AVX__)
using Lanes = float __attribute__((vector_size(32)));
#else
// Registers hold four. Compilers keep wider vectors in memory, and work on them there, at a twentieth of the speed.
using HalfLanes = float __attribute__((vector_size(16)));
struct Lanes {
  HalfLanes low, high;
  friend Lanes operator+(Lanes a, Lanes b) { return {a.low + b.low, a.high + b.high}; }
  friend Lanes operator*(float factor, Lanes a) { return {factor * a.low, factor * a.high}; }
  Lanes& operator+=(Lanes other) { return *this = *this + other; }
};
#endif
inline constexpr int kLanes = 8;
/// Floats of a cache line.
inline constexpr std::int64_t kCacheLine = 16;

inline Lanes load(const float* from) {
  Lanes value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
inline void store(float* to, Lanes value) { std::memcpy(to, &value, sizeof value); }

/// g where z > 0, factor * g elsewhere. Of a choice between floats compilers make a branch, on signs that nobody can foretell.
#if defined(__AVX__)
inline Lanes rectify(float factor, Lanes z, Lanes g) { return z > 0.0f ? g : factor * g; }
#else
inline Lanes rectify(float factor, Lanes z, Lanes g) {
  return {z.low > 0.0f ? g.low : factor * g.low, z.high > 0.0f ? g.high : factor * g.high};
}
#endif

/// Turns rows into columns: afterwards lane j of rows[i] is what lane i of rows[j] was.
#if defined(__AVX__)
inline void transpose(Lanes (&rows)[kLanes]) {
  // Blocks off the diagonal change places, of 1 x 1, 2 x 2 and 4 x 4 values.
  const auto exchange = [&](int i, int j, auto lower, auto upper) {
    const Lanes first = lower(rows[i], rows[j]);
    rows[j] = upper(rows[i], rows[j]);
    rows[i] = first;
  };
  for (int i : {0, 2, 4, 6})
    exchange(
        i, i + 1, [](Lanes a, Lanes b) { return __builtin_shufflevector(a, b, 0, 8, 2, 10, 4, 12, 6, 14); },
        [](Lanes a, Lanes b) { return __builtin_shufflevector(a, b, 1, 9, 3, 11, 5, 13, 7, 15); });
  for (int i : {0, 1, 4, 5})
    exchange(
        i, i + 2, [](Lanes a, Lanes b) { return __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13); },
        [](Lanes a, Lanes b) { return __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15); });
  for (int i : {0, 1, 2, 3})
    exchange(
        i, i + 4, [](Lanes a, Lanes b) { return __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11); },
        [](Lanes a, Lanes b) { return __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15); });
}
#else
inline void transpose(HalfLanes (&rows)[4]) {
  const HalfLanes low_even = __builtin_shufflevector(rows[0], rows[1], 0, 4, 2, 6),
                  low_odd = __builtin_shufflevector(rows[0], rows[1], 1, 5, 3, 7),
                  high_even = __builtin_shufflevector(rows[2], rows[3], 0, 4, 2, 6),
                  high_odd = __builtin_shufflevector(rows[2], rows[3], 1, 5, 3, 7);
  rows[0] = __builtin_shufflevector(low_even, high_even, 0, 1, 4, 5);
  rows[1] = __builtin_shufflevector(low_odd, high_odd, 0, 1, 4, 5);
  rows[2] = __builtin_shufflevector(low_even, high_even, 2, 3, 6, 7);
  rows[3] = __builtin_shufflevector(low_odd, high_odd, 2, 3, 6, 7);
}
inline void transpose(Lanes (&rows)[kLanes]) {
  HalfLanes blocks[2][2][4];  // quarters of the square, by where they go
  for (int i = 0; i < kLanes; ++i) {
    blocks[0][i / 4][i % 4] = rows[i].low;
    blocks[1][i / 4][i % 4] = rows[i].high;
  }
  for (auto& half : blocks)
    for (auto& block : half) transpose(block);
  for (int i = 0; i < kLanes; ++i) rows[i] = {blocks[i / 4][0][i % 4], blocks[i / 4][1][i % 4]};
}
#endif

/// Columns of the result that one call of `multiply_panel` makes.
inline constexpr int kPanel = 2 * kLanes;

/// Rows that products are best given in multiples of.
inline constexpr int kRowsAtOnce = 8;

/// The left factor of a product: element (row, k) is at data[row * row_step + k * k_step].
struct LeftFactor {
  const float* data;
  std::int64_t row_step;
  std::int64_t k_step;
};

/// Cache lines that will be needed later, asked for a few at a time between products: many at once would fill the queue
/// of misses, and products behind them would wait.
class Ahead {
 public:
  /// Terms of the sums of a block of rows between two shares.
  static constexpr std::int64_t kTerms = 32;

  Ahead() = default;
  /// `lines` cache lines from each of `rows` rows `row_step` floats apart, during products that take `work` terms a
  /// column.
  Ahead(const float* first, std::int64_t lines, std::int64_t rows, std::int64_t row_step, std::int64_t work)
      : next_(first),
        lines_(lines),
        rows_(rows),
        row_step_(row_step),
        share_(lines * rows * kRowsAtOnce * kTerms / work + 1) {}

  bool done() const { return rows_ == 0; }
  void fetch_share() {
    for (std::int64_t i = 0; i < share_ && rows_ > 0; ++i) {
      __builtin_prefetch(next_ + line_ * kCacheLine, 0, 2);
      if (++line_ == lines_) {
        line_ = 0;
        next_ += row_step_;
        --rows_;
      }
    }
  }

 private:
  const float* next_ = nullptr;
  std::int64_t lines_ = 0;
  std::int64_t rows_ = 0;
  std::int64_t row_step_ = 0;
  std::int64_t share_ = 0;
  std::int64_t line_ = 0;
};

namespace detail {

#if defined(__AVX512F__)
// One register a row; its products take their other factor straight from memory.
using PanelRow = float __attribute__((vector_size(64)));

template <int Rows>
inline void multiply_rows(const LeftFactor& a, const float* b, std::int64_t depth, float* c, std::int64_t c_step,
                          Ahead& ahead) {
  PanelRow sums[Rows] = {};
  const float* left = a.data;
  const std::int64_t row_step = a.row_step, k_step = a.k_step;
  const std::int64_t between = ahead.done() ? depth : Ahead::kTerms;
  for (std::int64_t first = 0; first < depth; first += between) {
    ahead.fetch_share();
    const std::int64_t end = std::min(first + between, depth);
    for (std::int64_t k = first; k < end; ++k, b += kPanel, left += k_step) {
      PanelRow right;
      std::memcpy(&right, b, sizeof right);
      for (int row = 0; row < Rows; ++row) sums[row] += left[row * row_step] * right;
    }
  }
  for (int row = 0; row < Rows; ++row) std::memcpy(c + row * c_step, &sums[row], sizeof sums[row]);
}
#else
template <int Rows>
inline void multiply_rows(const LeftFactor& a, const float* b, std::int64_t depth, float* c, std::int64_t c_step,
                          Ahead& ahead) {
  Lanes low[Rows] = {}, high[Rows] = {};
  const float* left = a.data;
  const std::int64_t row_step = a.row_step, k_step = a.k_step;
  const std::int64_t between = ahead.done() ? depth : Ahead::kTerms;
  for (std::int64_t first = 0; first < depth; first += between) {
    ahead.fetch_share();
    const std::int64_t end = std::min(first + between, depth);
    for (std::int64_t k = first; k < end; ++k, b += kPanel, left += k_step) {
      const Lanes b_low = load(b), b_high = load(b + kLanes);
      for (int row = 0; row < Rows; ++row) {
        const float factor = left[row * row_step];
        low[row] += factor * b_low;
        high[row] += factor * b_high;
      }
    }
  }
  for (int row = 0; row < Rows; ++row) {
    store(c + row * c_step, low[row]);
    store(c + row * c_step + kLanes, high[row]);
  }
}
#endif

}  // namespace detail

/// c [rows, kPanel] = a [rows, depth] * b [depth, kPanel]; b is contiguous, rows of c are c_step floats apart.
/// A call of its own: inlined into a large caller, the distances between rows would not stay in registers.
[[gnu::noinline]] inline void multiply_panel(LeftFactor a, std::int64_t rows, const float* b, std::int64_t depth,
                                             float* c, std::int64_t c_step, Ahead& ahead) {
  const auto advance = [&](std::int64_t done) {
    rows -= done;
    a.data += done * a.row_step;
    c += done * c_step;
  };
  // As many sums in flight as registers hold and latency asks for: six rows by two vectors of sixteen registers, eight
  // rows of large ones. Four rows are better than two, so without the latter eight are taken as four and four.
#if defined(__AVX512F__)
  // Nine at a time take care of a rest, such as of the 3 x 3 pixels that a patch is for the discriminator's last layers.
  std::int64_t nines = rows % kRowsAtOnce <= rows / kRowsAtOnce ? rows % kRowsAtOnce : 0;
  for (; nines > 0; --nines) {
    detail::multiply_rows<kRowsAtOnce + 1>(a, b, depth, c, c_step, ahead);
    advance(kRowsAtOnce + 1);
  }
  while (rows >= kRowsAtOnce) {
    detail::multiply_rows<kRowsAtOnce>(a, b, depth, c, c_step, ahead);
    advance(kRowsAtOnce);
  }
#endif
  while (rows >= 6 && rows != 8) {
    detail::multiply_rows<6>(a, b, depth, c, c_step, ahead);
    advance(6);
  }
  while (rows >= 4) {
    detail::multiply_rows<4>(a, b, depth, c, c_step, ahead);
    advance(4);
  }
  while (rows >= 1) {
    detail::multiply_rows<1>(a, b, depth, c, c_step, ahead);
    advance(1);
  }
}

}  // namespace clade::kernels::cpu
