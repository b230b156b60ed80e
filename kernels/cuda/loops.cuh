// SPDX-License-Identifier: Apache-2.0
// Loops over flat arrays and over columns of channels.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/shape.h"
#include "kernels/cuda/intrinsics.cuh"
#include "kernels/cuda/launch.h"
#include "kernels/kernel_types.h"

namespace clade::kernels::cuda {

inline constexpr int kFlatThreads = 256;
/// Enough blocks for every multiprocessor of a large GPU to hold eight; longer arrays are looped over.
inline constexpr std::int64_t kMostFlatBlocks = 8 * 132;

inline dim3 flat_grid(std::int64_t size) {
  return dim3(
      static_cast<unsigned>(std::min(std::max<std::int64_t>(ceil_div(size, kFlatThreads), 1), kMostFlatBlocks)));
}

template <class Body>
__global__ void __launch_bounds__(kFlatThreads) for_each_kernel(std::int64_t size, Body body) {
  const std::int64_t step = std::int64_t{gridDim.x} * kFlatThreads;
  for (std::int64_t i = std::int64_t{blockIdx.x} * kFlatThreads + threadIdx.x; i < size; i += step) body(i);
}

/// body(i) for i in [0, size), body a trivially copyable struct with a __device__ call operator.
template <class Body>
void for_each(Stream& stream, std::int64_t size, const Body& body) {
  launch(stream, for_each_kernel<Body>, flat_grid(size), dim3(kFlatThreads), 0, size, body);
}

__device__ inline void write(WriteMode mode, float value, float* target) {
  *target = mode == WriteMode::overwrite ? value : *target + value;
}

/// Threads of a block whose lanes are channels and whose warps share the rows, so that each access is a whole line.
inline constexpr int kColumnThreads = 256;
inline constexpr int kColumnWarps = kColumnThreads / kWarp;

/// Sum over the threads of a block with the same threadIdx.x % kWidth, in all of them; a fixed order. All must call.
template <int kThreads, int kWidth>
static __device__ inline double column_sum(double value) {
  static_assert(kThreads % kWarp == 0 && kWarp % kWidth == 0);
  constexpr int kWarps = kThreads / kWarp;
  __shared__ double partial[kWarps][kWidth];
  for (int offset = kWarp / 2; offset >= kWidth; offset /= 2) value += __shfl_xor_sync(kFullWarp, value, offset);
  const unsigned warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  __syncthreads();  // the sums of an earlier call have been read
  if (lane < kWidth) partial[warp][lane] = value;
  __syncthreads();
  double sum = 0.0;
  for (int i = 0; i < kWarps; ++i) sum += partial[i][lane % kWidth];
  return sum;
}

}  // namespace clade::kernels::cuda
