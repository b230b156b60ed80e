// SPDX-License-Identifier: Apache-2.0
// Weight demodulation on its own: once per model, and in tests the reference of the fused update.
#include "kernels/cuda/channel_sums.cuh"
#include "kernels/kernels.h"

namespace clade::kernels::cuda {

namespace {

struct Demodulation {
  const float* in;  // w, or du
  const float* u;   // backward only
  float* out;       // u, or dw
  float* scale;     // [nets, channels]
  int channels;
  int fan;
  float epsilon;
  WriteMode mode;
};

template <int kWidth>
__global__ void __launch_bounds__(kChannelThreads) demodulate_kernel(Demodulation p) {
  const Channel<kWidth> channel(blockIdx.x, p.channels, p.fan);
  const float factor =
      demodulation_scale(channel.sum([&](std::int64_t i) { return product(p.in[i], p.in[i]); }), p.epsilon);
  if (channel.leads()) p.scale[channel.number] = factor;
  channel.for_each([&](std::int64_t i) { p.out[i] = p.in[i] * factor; });
}

template <int kWidth>
__global__ void __launch_bounds__(kChannelThreads) demodulate_backward_kernel(Demodulation p) {
  const Channel<kWidth> channel(blockIdx.x, p.channels, p.fan);
  const auto inner = static_cast<float>(channel.sum([&](std::int64_t i) { return product(p.in[i], p.u[i]); }));
  if (!channel.inside()) return;
  const float factor = p.scale[channel.number];
  channel.for_each([&](std::int64_t i) { write(p.mode, factor * (p.in[i] - p.u[i] * inner), p.out + i); });
}

void run(Stream& stream, OutputDimension dimension, const Shape& shape, void (*rows)(Demodulation),
         void (*columns)(Demodulation), Demodulation p) {
  const bool first = dimension == OutputDimension::first;
  const std::int64_t nets = shape[0], channels = shape[first ? 1 : 4];
  p.channels = static_cast<int>(channels);
  p.fan = static_cast<int>(shape.size() / (nets * channels));
  launch(stream, first ? rows : columns, dim3(static_cast<unsigned>(channel_blocks(dimension, nets, channels))),
         dim3(kChannelThreads), 0, p);
}

}  // namespace

void demodulate(Stream& stream, OutputDimension dimension, float epsilon, View<const float> w, View<float> u,
                View<float> scale) {
  run(stream, dimension, w.shape, demodulate_kernel<1>, demodulate_kernel<kTallWidth>,
      {w.data, nullptr, u.data, scale.data, 0, 0, epsilon, WriteMode::overwrite});
}

void demodulate_backward(Stream& stream, OutputDimension dimension, View<const float> u, View<const float> scale,
                         View<const float> du, WriteMode mode, View<float> dw) {
  // The kernels only read the scale.
  run(stream, dimension, u.shape, demodulate_backward_kernel<1>, demodulate_backward_kernel<kTallWidth>,
      {du.data, u.data, dw.data, const_cast<float*>(scale.data), 0, 0, 0.0f, mode});
}

}  // namespace clade::kernels::cuda
