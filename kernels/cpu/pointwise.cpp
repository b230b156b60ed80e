// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/loops.h"
#include "kernels/kernels.h"

namespace clade::kernels::cpu {

void activation_backward(Stream& stream, Activation activation, View<const float> y, View<const float> dy,
                         View<float> dz) {
  for_flat_chunks(stream, y.size(), [&](std::int64_t begin, std::int64_t end) {
    // Both are read before either branch is chosen: a load behind a condition would keep the loops from vectors.
    const auto each = [&](auto gradient) {
      const float* outputs = y.data;
      const float* upstream = dy.data;
      float* result = dz.data;
      for (std::int64_t i = begin; i < end; ++i) result[i] = gradient(outputs[i], upstream[i]);
    };
    switch (activation) {
      case Activation::none:
        return each([](float, float g) { return g; });
      case Activation::relu:
        return each([](float out, float g) { return out > 0.0f ? g : 0.0f; });
      case Activation::leaky_relu:
        return each([](float out, float g) { return out > 0.0f ? g : kLeakySlope * g; });
      case Activation::tanh:
        return each([](float out, float g) { return g * (1.0f - out * out); });
    }
  });
}

void add(Stream& stream, View<const float> a, View<const float> b, View<float> sum) {
  for_flat_chunks(stream, sum.size(), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) sum[i] = a[i] + b[i];
  });
}

void fill(Stream& stream, float value, View<float> x) {
  for_flat_chunks(stream, x.size(),
                  [&](std::int64_t begin, std::int64_t end) { std::fill(x.data + begin, x.data + end, value); });
}

void scale_into(Stream& stream, float factor, View<const float> x, WriteMode mode, View<float> y) {
  for_flat_chunks(stream, x.size(), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) write(mode, factor * x[i], y[i]);
  });
}

}  // namespace clade::kernels::cpu
