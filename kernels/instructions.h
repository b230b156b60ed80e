// SPDX-License-Identifier: Apache-2.0
// The CPU kernels as compiled for levels of instructions, and the choice between them.
//
// kernels/cpu is compiled once for each level of x86-64 (psABI) that cmake/Instructions.cmake names; all that other
// code sees of a level is one table of functions. Everything else is compiled for the baseline, so a program gets as
// far as choosing on any processor.
#pragma once

#include <string>

#include "kernels/kernels.h"

namespace clade::kernels {

/// The kernels of kernel_list.h, compiled for one level.
struct CpuKernels {
  const char* level;  ///< "baseline" (of the architecture), "x86-64-v3" (AVX2 and FMA) or "x86-64-v4" (AVX-512)
#define CLADE_KERNEL_NAME(name) decltype(&cpu::name) name;
#include "kernels/kernel_names.inc"
#undef CLADE_KERNEL_NAME
};

/// The kernels of the highest level that this processor has, or of the one that the environment variable
/// CLADE_INSTRUCTIONS names; decided by the first call. Throws Error(usage) for a level that was not built and
/// Error(device) for one that the processor lacks.
const CpuKernels& cpu_kernels();

/// The levels that were built, lowest first: "baseline, x86-64-v3, x86-64-v4".
std::string built_levels();

}  // namespace clade::kernels
