// SPDX-License-Identifier: Apache-2.0
// Vectors of floats that every compiler of ours maps to the registers at hand.
#pragma once

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
  friend Lanes operator*(Lanes a, Lanes b) { return {a.low * b.low, a.high * b.high}; }
  friend Lanes operator*(float factor, Lanes a) { return {factor * a.low, factor * a.high}; }
  Lanes& operator+=(Lanes other) { return *this = *this + other; }
};
#endif
inline constexpr int kLanes = 8;
/// Floats of a cache line.
inline constexpr std::int64_t kCacheLine = 16;

/// As many floats as a register holds, but at least eight.
#if defined(__AVX512F__)
using WideLanes = float __attribute__((vector_size(64)));
inline constexpr int kWideLanes = 16;
#else
using WideLanes = Lanes;
inline constexpr int kWideLanes = kLanes;
#endif

template <class Vector = Lanes>
inline Vector load(const float* from) {
  Vector value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <class Vector>
inline void store(float* to, const Vector& value) {
  std::memcpy(to, &value, sizeof value);
}

/// g where z > 0, factor * g elsewhere, and z with zeros for what is negative. Of a choice between floats compilers
/// make a branch, on signs that nobody can foretell.
template <class Vector>
inline Vector rectify(float factor, Vector z, Vector g) {
  return z > 0.0f ? g : factor * g;
}
template <class Vector>
inline Vector rectified(Vector z) {
  return z < 0.0f ? Vector{} : z;
}
#if !defined(__AVX__)
template <>
inline Lanes rectify(float factor, Lanes z, Lanes g) {
  return {rectify(factor, z.low, g.low), rectify(factor, z.high, g.high)};
}
template <>
inline Lanes rectified(Lanes z) {
  return {rectified(z.low), rectified(z.high)};
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

}  // namespace clade::kernels::cpu
