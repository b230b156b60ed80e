// SPDX-License-Identifier: Apache-2.0
// What convolutions do with a sum before they write it.
#pragma once

#include <cuda_runtime.h>

#include "kernels/kernel_types.h"

namespace clade::kernels::cuda {

/// activation(z); NaN stays NaN.
__device__ inline float activate(Activation activation, float z) {
  switch (activation) {
    case Activation::relu:
      return z < 0.0f ? 0.0f : z;
    case Activation::leaky_relu:
      return z > 0.0f ? z : kLeakySlope * z;
    case Activation::tanh:
      return tanhf(z);
    case Activation::none:
      break;
  }
  return z;
}

struct Epilogue {
  const float* scale = nullptr;  ///< [nets, channels], or null
  const float* bias = nullptr;   ///< as well
  Activation activation = Activation::none;
  const float* residual = nullptr;  ///< laid out like the outputs, or null; what writes them adds it

  /// activation(scale * sum + bias); the channel is counted over all nets.
  __device__ float apply(int channel, float sum) const {
    if (scale != nullptr) sum *= scale[channel];
    if (bias != nullptr) sum += bias[channel];
    return activate(activation, sum);
  }
};

}  // namespace clade::kernels::cuda
