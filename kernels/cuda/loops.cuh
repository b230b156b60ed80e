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

/// Channels that the lanes of a warp reduce over rows, so that each access is a whole line.
inline constexpr int kColumnWarps = 8;
inline constexpr int kColumnThreads = kColumnWarps * kWarp;

/// Sum over the warps of a block of `kWarps` warps of each lane's value, in all threads; a fixed order. All must call.
template <int kWarps>
static __device__ inline double column_sum(double value) {
  __shared__ double partial[kWarps][kWarp];
  const unsigned warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  __syncthreads();  // the sums of an earlier call have been read
  partial[warp][lane] = value;
  __syncthreads();
  double sum = 0.0;
  for (int i = 0; i < kWarps; ++i) sum += partial[i][lane];
  return sum;
}

}  // namespace clade::kernels::cuda
