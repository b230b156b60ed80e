// SPDX-License-Identifier: Apache-2.0
// Sums over the weights of an output channel, shared by demodulation and its fused update so that both give the same
// bits. A channel is a contiguous row of the weights (OutputDimension::first) or a column of them (last).
#pragma once

#include "kernels/cuda/loops.cuh"

namespace clade::kernels::cuda {

/// Threads that share a row.
inline constexpr int kRowThreads = 256;
/// Warps that share 32 columns: rows are many, columns few.
inline constexpr int kTallWarps = 32;

/// Sum of term(i) over the `fan` weights of the block's row, in all threads.
template <class Term>
static __device__ inline double row_sum(int fan, const Term& term) {
  double sum = 0.0;
  for (int i = static_cast<int>(threadIdx.x); i < fan; i += kRowThreads) sum += term(i);
  return block_sum<kRowThreads>(sum);
}

/// Sum of term(row) over the `fan` weights of the lane's column, in all threads.
template <class Term>
static __device__ inline double tall_sum(int fan, bool inside, const Term& term) {
  double sum = 0.0;
  if (inside)
    for (int row = static_cast<int>(threadIdx.x) / kWarp; row < fan; row += kTallWarps) sum += term(row);
  return column_sum<kTallWarps>(sum);
}

__device__ inline double square(float value) { return static_cast<double>(value) * static_cast<double>(value); }

/// The factor that brings an output channel with this sum of squares to unit norm.
__device__ inline float demodulation_scale(double sum_of_squares, float epsilon) {
  return static_cast<float>(1.0 / sqrt(sum_of_squares + static_cast<double>(epsilon)));
}

}  // namespace clade::kernels::cuda
