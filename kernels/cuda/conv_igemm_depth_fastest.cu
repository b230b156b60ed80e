// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/conv_launch.cuh"

namespace clade::kernels::cuda {

void run_gemm_depth_fastest(Stream& stream, const Gemm& gemm, int nets) { run_gemm_as<true>(stream, gemm, nets); }

}  // namespace clade::kernels::cuda
