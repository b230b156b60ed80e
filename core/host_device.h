// SPDX-License-Identifier: Apache-2.0
// CLADE_HOST_DEVICE marks functions that CUDA kernels call too.
#pragma once

#if defined(__CUDACC__)
#define CLADE_HOST_DEVICE __host__ __device__
#else
#define CLADE_HOST_DEVICE
#endif
