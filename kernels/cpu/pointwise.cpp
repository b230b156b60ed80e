// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/loops.h"
#include "kernels/kernels.h"

namespace clade::kernels::cpu {

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
