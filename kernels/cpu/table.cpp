// SPDX-License-Identifier: Apache-2.0
// The entry points of kernels/cpu: all that other code sees of those compiled for one level of instructions.
#include "kernels/instructions.h"

// Hidden: no part of what a shared library offers.
extern "C" [[gnu::visibility("hidden")]] const clade::kernels::CpuKernels CLADE_CPU_TABLE;

const clade::kernels::CpuKernels CLADE_CPU_TABLE = {
    CLADE_CPU_LEVEL,
#define CLADE_KERNEL_NAME(name) &clade::kernels::cpu::name,
#include "kernels/kernel_names.inc"
#undef CLADE_KERNEL_NAME
};
