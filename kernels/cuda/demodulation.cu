// SPDX-License-Identifier: Apache-2.0
// Weight demodulation on its own: once per model, where gradients are clipped, and in tests the reference of the fused
// update.
#include "kernels/cuda/channel_sums.cuh"
#include "kernels/kernels.h"

namespace clade::kernels::cuda {

namespace {

struct Scales {
  const float* w;
  float* scale;  // [nets, channels]
  int channels;
  int fan;
  float epsilon;
};

template <int kWidth>
__global__ void __launch_bounds__(kChannelThreads) scales_kernel(Scales p) {
  const Channel<kWidth> channel(blockIdx.x, p.channels, p.fan);
  const float factor =
      demodulation_scale(channel.sum([&](std::int64_t i) { return product(p.w[i], p.w[i]); }), p.epsilon);
  if (channel.leads()) p.scale[channel.number] = factor;
}

struct Gradient {
  const float* w;
  const float* scale;  // [nets, channels]
  float* dw;
  int channels;
  int fan;
};

template <int kWidth>
__global__ void __launch_bounds__(kChannelThreads) gradient_kernel(Gradient p) {
  const Channel<kWidth> channel(blockIdx.x, p.channels, p.fan);
  const double inner = channel.sum([&](std::int64_t i) { return product(p.dw[i], p.w[i]); });
  if (!channel.inside()) return;
  const float share = demodulation_share(p.scale[channel.number], inner);
  channel.for_each([&](std::int64_t i) { p.dw[i] -= share * p.w[i]; });
}

template <class Problem>
void run(Stream& stream, OutputDimension dimension, const Shape& shape, void (*rows)(Problem), void (*columns)(Problem),
         Problem p) {
  const bool first = dimension == OutputDimension::first;
  const std::int64_t nets = shape[0], channels = shape[first ? 1 : 4];
  p.channels = static_cast<int>(channels);
  p.fan = static_cast<int>(shape.size() / (nets * channels));
  launch(stream, first ? rows : columns, dim3(static_cast<unsigned>(channel_blocks(dimension, nets, channels))),
         dim3(kChannelThreads), 0, p);
}

}  // namespace

void demodulation_scales(Stream& stream, OutputDimension dimension, float epsilon, View<const float> w,
                         View<float> scale) {
  run(stream, dimension, w.shape, scales_kernel<1>, scales_kernel<kTallWidth>, Scales{w.data, scale.data, 0, 0, epsilon});
}

void demodulation_backward(Stream& stream, OutputDimension dimension, View<const float> w, View<const float> scale,
                           View<float> dw) {
  run(stream, dimension, w.shape, gradient_kernel<1>, gradient_kernel<kTallWidth>,
      Gradient{w.data, scale.data, dw.data, 0, 0});
}

}  // namespace clade::kernels::cuda
