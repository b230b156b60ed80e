// SPDX-License-Identifier: Apache-2.0
// The transforms of Winograd's F(m x m, 3 x 3), on vectors of channels, and their adjoints.
#pragma once

#include "kernels/cpu/lanes.h"

namespace clade::kernels::cpu {

// Schemes of a convolution with three taps along one axis: kOutputs values from kInputs pixels by way of kProducts
// products,   output = kOutput ((kWeight taps) . (kInput pixels)).   Both axes use the same scheme.

/// F(2, 3) of Lavin and Gray 2016; interpolation points 0, 1, -1.
struct TwoOutputs {
  static constexpr int kOutputs = 2, kInputs = 4, kProducts = 4;
  static constexpr bool kUpsamples = false;
  static constexpr float kInput[4][4] = {{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, 1, 0, -1}};
  static constexpr float kWeight[4][3] = {{1, 0, 0}, {0.5f, 0.5f, 0.5f}, {0.5f, -0.5f, 0.5f}, {0, 0, 1}};
  static constexpr float kOutput[2][4] = {{1, 1, 1, 0}, {0, 1, -1, -1}};
};

/// F(4, 3); interpolation points 0, 1, -1, 2, -2.
struct FourOutputs {
  static constexpr int kOutputs = 4, kInputs = 6, kProducts = 6;
  static constexpr bool kUpsamples = false;
  static constexpr float kInput[6][6] = {{4, 0, -5, 0, 1, 0},  {0, -4, -4, 1, 1, 0}, {0, 4, -4, -1, 1, 0},
                                         {0, -2, -1, 2, 1, 0}, {0, 2, -1, -2, 1, 0}, {0, 4, 0, -5, 0, 1}};
  static constexpr float kWeight[6][3] = {{1.0f / 4, 0, 0},
                                          {-1.0f / 6, -1.0f / 6, -1.0f / 6},
                                          {-1.0f / 6, 1.0f / 6, -1.0f / 6},
                                          {1.0f / 24, 1.0f / 12, 1.0f / 6},
                                          {1.0f / 24, -1.0f / 12, 1.0f / 6},
                                          {0, 0, 1}};
  static constexpr float kOutput[4][6] = {
      {1, 1, 1, 1, 1, 0}, {0, 1, -1, 2, -2, 0}, {0, 1, 1, 4, 4, 0}, {0, 1, -1, 8, -8, 1}};
};

/// F(2, 3) on an image that nearest upsampling doubles. A tile of its pixels is a, b, b, c, so that b - b, the third
/// product, is zero and falls away: three products for the two outputs a g0 + b (g1 + g2) and b (g0 + g1) + c g2.
struct TwoOutputsUpsampled {
  static constexpr int kOutputs = 2, kInputs = 3, kProducts = 3;
  static constexpr bool kUpsamples = true;
  static constexpr float kInput[3][3] = {{1, -1, 0}, {0, 1, 0}, {0, 1, -1}};
  static constexpr float kWeight[3][3] = {{1, 0, 0}, {1, 1, 1}, {0, 0, 1}};
  static constexpr float kOutput[2][3] = {{1, 1, 0}, {0, 1, -1}};
};

/// Sum of factors [k] * value(k), with zeros and ones left out by the compiler. It starts from the first term: adding
/// that to zero would be one more operation.
template <int N, class Value>
inline Lanes combine(const float (&factors)[N], const Value& value) {
  Lanes sum{};
  bool begun = false;
#pragma GCC unroll 8
  for (int k = 0; k < N; ++k) {
    if (factors[k] == 0.0f) continue;
    const Lanes term = factors[k] * value(k);
    sum = begun ? sum + term : term;
    begun = true;
  }
  return sum;
}

/// out [R][C'] = matrix [R][C] * in [C][C'].
template <int R, int C, int Columns>
inline void apply_left(const float (&matrix)[R][C], const Lanes (&in)[C][Columns], Lanes (&out)[R][Columns]) {
#pragma GCC unroll 8
  for (int row = 0; row < R; ++row)
#pragma GCC unroll 8
    for (int column = 0; column < Columns; ++column)
      out[row][column] = combine(matrix[row], [&](int k) { return in[k][column]; });
}

/// out [R][R'] = in [R][C] * matrix^T, matrix [R'][C].
template <int R, int C, int Rows>
inline void apply_right(const float (&matrix)[Rows][C], const Lanes (&in)[R][C], Lanes (&out)[R][Rows]) {
#pragma GCC unroll 8
  for (int row = 0; row < R; ++row)
#pragma GCC unroll 8
    for (int column = 0; column < Rows; ++column)
      out[row][column] = combine(matrix[column], [&](int k) { return in[row][k]; });
}

template <int R, int C>
struct Transposed {
  float value[C][R];
};
template <int R, int C>
constexpr Transposed<R, C> transpose(const float (&matrix)[R][C]) {
  Transposed<R, C> result{};
  for (int r = 0; r < R; ++r)
    for (int c = 0; c < C; ++c) result.value[c][r] = matrix[r][c];
  return result;
}

/// matrix * in * matrix^T: a transform of both axes of a tile.
template <int R, int C>
inline void transform(const float (&matrix)[R][C], const Lanes (&in)[C][C], Lanes (&out)[R][R]) {
  Lanes half[R][C];
  apply_left(matrix, in, half);
  apply_right(matrix, half, out);
}

}  // namespace clade::kernels::cpu
