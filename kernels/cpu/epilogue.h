// SPDX-License-Identifier: Apache-2.0
// Scale, bias and activation, applied to a piece of the output while it is still in the cache.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "kernels/kernel_types.h"

namespace clade::kernels::cpu {

/// activation(z) in place; NaN stays NaN. The switch stays outside of the loops, so each of them vectorises.
inline void activate(Activation activation, float* z, std::int64_t count) {
  switch (activation) {
    case Activation::none:
      break;
    case Activation::relu:
      for (std::int64_t i = 0; i < count; ++i) z[i] = z[i] < 0.0f ? 0.0f : z[i];
      break;
    case Activation::leaky_relu:
      for (std::int64_t i = 0; i < count; ++i) z[i] = std::max(z[i], kLeakySlope * z[i]);
      break;
    case Activation::tanh:
      for (std::int64_t i = 0; i < count; ++i) z[i] = std::tanh(z[i]);
      break;
  }
}

struct Epilogue {
  const float* scale = nullptr;  ///< [nets, channels], or null
  const float* bias = nullptr;   ///< as well
  Activation activation = Activation::none;
  std::int64_t channels = 0;

  /// Finishes `count` channels of one pixel of a net, from channel `first` on.
  void apply(std::int64_t net, std::int64_t first, std::int64_t count, float* z) const {
    if (scale) {
      const float* s = scale + net * channels + first;
      for (std::int64_t i = 0; i < count; ++i) z[i] *= s[i];
    }
    if (bias) {
      const float* b = bias + net * channels + first;
      for (std::int64_t i = 0; i < count; ++i) z[i] += b[i];
    }
    activate(activation, z, count);
  }
};

}  // namespace clade::kernels::cpu
