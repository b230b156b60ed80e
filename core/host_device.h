// SPDX-License-Identifier: Apache-2.0
// CLADE_HOST_DEVICE marks functions that CUDA kernels call too, CLADE_NOINLINE those that are rarely called: inlined into
// unrolled loops they would be most of the code.
#pragma once

#if defined(__CUDACC__)
#define CLADE_HOST_DEVICE __host__ __device__
#define CLADE_NOINLINE __noinline__
#else
#define CLADE_HOST_DEVICE
#define CLADE_NOINLINE
#endif
