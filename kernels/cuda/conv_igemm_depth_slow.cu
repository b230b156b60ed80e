// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/conv_launch.cuh"

namespace clade::kernels::cuda {

void run_gemm_depth_slow(Stream& stream, const Gemm& gemm, int nets) {
  if (stream.precision() == Precision::fp32) {
    run_gemm_as<false, true>(stream, gemm, nets);
  } else {
    run_gemm_as<false, false>(stream, gemm, nets);
  }
}

}  // namespace clade::kernels::cuda
