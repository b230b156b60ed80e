// SPDX-License-Identifier: Apache-2.0
// Transforms by small constant matrices, on vectors of channels.
#pragma once

#include "kernels/cpu/lanes.h"

namespace clade::kernels::cpu {

/// Sum of factors [k] * value(k), with zeros and ones left out by the compiler. It starts from the first term: adding
/// that to zero would be one more operation.
template <class Vector, int N, class Value>
inline Vector combine(const float (&factors)[N], const Value& value) {
  Vector sum{};
  bool begun = false;
#pragma GCC unroll 8
  for (int k = 0; k < N; ++k) {
    if (factors[k] == 0.0f) continue;
    const Vector term = factors[k] * value(k);
    sum = begun ? sum + term : term;
    begun = true;
  }
  return sum;
}

/// out [R][C'] = matrix [R][C] * in [C][C'].
template <class Vector, int R, int C, int Columns>
inline void apply_left(const float (&matrix)[R][C], const Vector (&in)[C][Columns], Vector (&out)[R][Columns]) {
#pragma GCC unroll 8
  for (int row = 0; row < R; ++row)
#pragma GCC unroll 8
    for (int column = 0; column < Columns; ++column)
      out[row][column] = combine<Vector>(matrix[row], [&](int k) { return in[k][column]; });
}

/// out [R][R'] = in [R][C] * matrix^T, matrix [R'][C].
template <class Vector, int R, int C, int Rows>
inline void apply_right(const float (&matrix)[Rows][C], const Vector (&in)[R][C], Vector (&out)[R][Rows]) {
#pragma GCC unroll 8
  for (int row = 0; row < R; ++row)
#pragma GCC unroll 8
    for (int column = 0; column < Rows; ++column)
      out[row][column] = combine<Vector>(matrix[column], [&](int k) { return in[row][k]; });
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
template <class Vector, int R, int C>
inline void transform(const float (&matrix)[R][C], const Vector (&in)[C][C], Vector (&out)[R][R]) {
  Vector half[R][C];
  apply_left(matrix, in, half);
  apply_right(matrix, half, out);
}

}  // namespace clade::kernels::cpu
