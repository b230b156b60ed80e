// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/loops.h"
#include "kernels/kernels.h"

namespace clade::kernels::cpu {

void activation_backward(Stream& stream, Activation activation, View<const float> y, View<const float> dy,
                         View<float> dz) {
  for_flat_chunks(stream, y.size(), [&](std::int64_t begin, std::int64_t end) {
    switch (activation) {
      case Activation::none:
        for (std::int64_t i = begin; i < end; ++i) dz[i] = dy[i];
        break;
      case Activation::relu:
        for (std::int64_t i = begin; i < end; ++i) dz[i] = y[i] > 0.0f ? dy[i] : 0.0f;
        break;
      case Activation::leaky_relu:
        for (std::int64_t i = begin; i < end; ++i) dz[i] = y[i] > 0.0f ? dy[i] : kLeakySlope * dy[i];
        break;
      case Activation::tanh:
        for (std::int64_t i = begin; i < end; ++i) dz[i] = dy[i] * (1.0f - y[i] * y[i]);
        break;
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
