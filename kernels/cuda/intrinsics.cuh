// SPDX-License-Identifier: Apache-2.0
// What kernels need beyond plain CUDA C++: reductions, asynchronous copies, and finding the last block of a grid.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#if defined(CLADE_CUDA_EMULATION)
#include "kernels/emulation/block.h"
#endif

namespace clade::kernels::cuda {

inline constexpr unsigned kFullWarp = 0xffffffffu;
inline constexpr int kWarp = 32;

/// The dynamic shared memory of the block, aligned to 128 bytes.
template <class T>
__device__ inline T* shared_memory() {
#if defined(CLADE_CUDA_EMULATION)
  return static_cast<T*>(emulation::dynamic_shared());
#else
  extern __shared__ __align__(128) unsigned char clade_dynamic_shared[];
  return reinterpret_cast<T*>(clade_dynamic_shared);
#endif
}

/// Sum over the lanes of a full warp, in all lanes; the same order of additions every time.
template <class T>
__device__ inline T warp_sum(T value) {
  for (int offset = kWarp / 2; offset > 0; offset /= 2) value += __shfl_xor_sync(kFullWarp, value, offset);
  return value;
}

/// Sum over the `kThreads` threads of the block, in all threads. All of them must call.
template <int kThreads, class T>
static __device__ inline T block_sum(T value) {
  static_assert(kThreads % kWarp == 0 && kThreads <= 1024);
  constexpr int kWarps = kThreads / kWarp;
  __shared__ T partial[kWarps];
  const int thread = static_cast<int>(threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z));
  value = warp_sum(value);
  __syncthreads();  // the sums of an earlier call have been read
  if (thread % kWarp == 0) partial[thread / kWarp] = value;
  __syncthreads();
  T sum = partial[0];
  for (int warp = 1; warp < kWarps; ++warp) sum += partial[warp];
  return sum;
}

/// Called by all threads of a block after its writes to global memory: true in the block that is the last of `total` to
/// call with this counter. That block sees what the others wrote, and the counter is zero again.
static __device__ inline bool last_block(std::uint32_t* counter, std::uint32_t total) {
  __shared__ bool is_last;
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0 && threadIdx.y == 0 && threadIdx.z == 0) {
    is_last = atomicAdd(counter, 1u) == total - 1;
    if (is_last) *counter = 0;
  }
  __syncthreads();
  const bool result = is_last;
  if (result) __threadfence();
  return result;
}

/// Starts a copy of 16 bytes from global to shared memory, both aligned to 16; zeros if not `valid` (`global` may then
/// be any address). Visible to this thread after cp_async_wait, to others after a barrier behind that.
__device__ inline void cp_async16(void* shared, const void* global, bool valid) {
#if defined(CLADE_CUDA_EMULATION)
  emulation::cp_async(shared, global, 16, valid);
#else
  const auto address = static_cast<std::uint32_t>(__cvta_generic_to_shared(shared));
  const int bytes = valid ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(address), "l"(global), "r"(bytes) : "memory");
#endif
}

/// The same for 4 bytes.
__device__ inline void cp_async4(void* shared, const void* global, bool valid) {
#if defined(CLADE_CUDA_EMULATION)
  emulation::cp_async(shared, global, 4, valid);
#else
  const auto address = static_cast<std::uint32_t>(__cvta_generic_to_shared(shared));
  const int bytes = valid ? 4 : 0;
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;\n" ::"r"(address), "l"(global), "r"(bytes) : "memory");
#endif
}

/// Closes a group of the copies started since the last call.
__device__ inline void cp_async_commit() {
#if defined(CLADE_CUDA_EMULATION)
  emulation::cp_async_commit();
#else
  asm volatile("cp.async.commit_group;\n" ::: "memory");
#endif
}

/// Waits until at most the `kPending` youngest groups of this thread are under way.
template <int kPending>
__device__ inline void cp_async_wait() {
#if defined(CLADE_CUDA_EMULATION)
  emulation::cp_async_wait(kPending);
#else
  asm volatile("cp.async.wait_group %0;\n" ::"n"(kPending) : "memory");
#endif
}

}  // namespace clade::kernels::cuda
