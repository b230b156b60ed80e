// SPDX-License-Identifier: Apache-2.0
// One branch between the backends.
#pragma once

#include <utility>

#include "kernels/instructions.h"

namespace clade::kernels {

#if defined(CLADE_HAS_CUDA)
inline constexpr bool kHasCuda = true;
#else
inline constexpr bool kHasCuda = false;
#endif

/// Calls the entry point of the stream's device, on the CPU that for its instructions. A build without CUDA never refers
/// to the CUDA one.
template <auto Cpu, auto Cuda, class... Arguments>
void dispatch(Stream& stream, Arguments&&... arguments) {
  if (stream.device().type == DeviceType::cpu) {
    (cpu_kernels().*Cpu)(stream, std::forward<Arguments>(arguments)...);
  } else if constexpr (kHasCuda) {
    Cuda(stream, std::forward<Arguments>(arguments)...);
  } else {
    fail(ErrorCode::device, "this build of CLADE has no CUDA support");
  }
}

}  // namespace clade::kernels

/// CLADE_KERNEL(conv_forward)(stream, ...) runs that kernel on the stream's device.
#define CLADE_KERNEL(name) ::clade::kernels::dispatch<&::clade::kernels::CpuKernels::name, &::clade::kernels::cuda::name>
