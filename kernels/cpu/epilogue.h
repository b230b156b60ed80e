// SPDX-License-Identifier: Apache-2.0
// Scale, bias, activation and residual, applied to a piece of the output while it is still in the cache.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "kernels/cpu/lanes.h"
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

/// The same for a float or a vector of them.
template <class Value>
Value activated(Activation activation, Value z) {
  switch (activation) {
    case Activation::none:
      break;
    case Activation::relu:
      return rectified(z);
    case Activation::leaky_relu:
      return rectify(kLeakySlope, z, z);
    case Activation::tanh:
      float values[sizeof(Value) / sizeof(float)];
      store(values, z);
      for (float& value : values) value = std::tanh(value);
      return load<Value>(values);
  }
  return z;
}

struct Epilogue {
  const float* scale = nullptr;  ///< [nets, channels], or null
  const float* bias = nullptr;   ///< as well
  Activation activation = Activation::none;
  std::int64_t channels = 0;
  const float* residual = nullptr;  ///< what is added to the outputs, laid out like them, or null
  const float* outputs = nullptr;   ///< where the outputs begin, if there is a residual

  /// Finishes `count` channels of one pixel of a net, from channel `first` on, in their place.
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
    if (residual) {
      const float* r = residual + (z - outputs);
      for (std::int64_t i = 0; i < count; ++i) z[i] += r[i];
    }
  }

  /// The same for one channel, or a vector of them, whose place is `at`.
  template <class Value>
  Value finished(std::int64_t net, std::int64_t first, Value z, const float* at) const {
    const std::int64_t channel = net * channels + first;
    if (scale) z = z * load<Value>(scale + channel);
    if (bias) z += load<Value>(bias + channel);
    z = activated(activation, z);
    if (residual) z += load<Value>(residual + (at - outputs));
    return z;
  }
};

}  // namespace clade::kernels::cpu
