// SPDX-License-Identifier: Apache-2.0
// One read and one write per value: the floor is memory traffic, and below a few hundred kilobytes the launch.
#include "kernels/cuda/loops.cuh"
#include "kernels/kernels.h"

namespace clade::kernels::cuda {

namespace {

struct Add {
  const float* a;
  const float* b;
  float* sum;
  __device__ void operator()(std::int64_t i) const { sum[i] = a[i] + b[i]; }
};

struct Fill {
  float value;
  float* x;
  __device__ void operator()(std::int64_t i) const { x[i] = value; }
};

struct ScaleInto {
  float factor;
  const float* x;
  WriteMode mode;
  float* y;
  __device__ void operator()(std::int64_t i) const { write(mode, factor * x[i], y + i); }
};

}  // namespace

void add(Stream& stream, View<const float> a, View<const float> b, View<float> sum) {
  for_each(stream, sum.size(), Add{a.data, b.data, sum.data});
}

void fill(Stream& stream, float value, View<float> x) { for_each(stream, x.size(), Fill{value, x.data}); }

void scale_into(Stream& stream, float factor, View<const float> x, WriteMode mode, View<float> y) {
  for_each(stream, x.size(), ScaleInto{factor, x.data, mode, y.data});
}

}  // namespace clade::kernels::cuda
