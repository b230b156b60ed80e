// SPDX-License-Identifier: Apache-2.0
// The one way to start a kernel.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <utility>

#include "core/stream.h"

#if defined(CLADE_CUDA_EMULATION)
#include "kernels/emulation/runtime.h"
#endif

namespace clade::kernels::cuda {

/// Dynamic shared memory that every kernel may use; `launch` asks for more where it is needed.
inline constexpr std::size_t kDefaultShared = std::size_t{48} << 10;

/// Enqueues kernel(arguments...) on the stream. Throws Error(device) if the launch is refused; failures of the running
/// kernel surface when the stream is waited for.
template <class... Parameters, class... Arguments>
void launch(Stream& stream, void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes,
            Arguments&&... arguments) {
#if defined(CLADE_CUDA_EMULATION)
  emulation::launch(stream.native(), kernel, {grid, block, shared_bytes},
                    Parameters(std::forward<Arguments>(arguments))...);
#else
  const auto check = [](cudaError_t status) {
    if (status == cudaSuccess) return;
    cudaGetLastError();
    fail(ErrorCode::device, "CUDA: launching a kernel: ", cudaGetErrorString(status));
  };
  check(cudaSetDevice(stream.device().ordinal));
  if (shared_bytes > kDefaultShared)
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes)));
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = static_cast<cudaStream_t>(stream.native());
  check(cudaLaunchKernelEx(&config, kernel, Parameters(std::forward<Arguments>(arguments))...));
#endif
}

}  // namespace clade::kernels::cuda
