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

// One block per output channel.
__global__ void __launch_bounds__(kRowThreads) demodulate_rows_kernel(Demodulation p) {
  const float* w = p.in + std::int64_t{blockIdx.x} * p.fan;
  float* u = p.out + std::int64_t{blockIdx.x} * p.fan;
  const float factor = demodulation_scale(row_sum(p.fan, [&](int i) { return square(w[i]); }), p.epsilon);
  if (threadIdx.x == 0) p.scale[blockIdx.x] = factor;
  for (int i = static_cast<int>(threadIdx.x); i < p.fan; i += kRowThreads) u[i] = w[i] * factor;
}

__global__ void __launch_bounds__(kRowThreads) demodulate_rows_backward_kernel(Demodulation p) {
  const std::int64_t offset = std::int64_t{blockIdx.x} * p.fan;
  const float* du = p.in + offset;
  const float* u = p.u + offset;
  float* dw = p.out + offset;
  const auto inner =
      static_cast<float>(row_sum(p.fan, [&](int i) { return static_cast<double>(du[i]) * static_cast<double>(u[i]); }));
  const float factor = p.scale[blockIdx.x];
  for (int i = static_cast<int>(threadIdx.x); i < p.fan; i += kRowThreads)
    write(p.mode, factor * (du[i] - u[i] * inner), dw + i);
}

// Grid: groups of 32 channels, nets.
struct TallColumns {
  std::int64_t offset;
  int channel;
  int warp;
  bool inside;
  __device__ TallColumns(int channels, int fan)
      : channel(static_cast<int>(blockIdx.x) * kWarp + static_cast<int>(threadIdx.x) % kWarp),
        warp(static_cast<int>(threadIdx.x) / kWarp),
        inside(channel < channels) {
    offset = std::int64_t{blockIdx.y} * fan * channels + channel;
  }
};

__global__ void __launch_bounds__(kTallWarps* kWarp) demodulate_columns_kernel(Demodulation p) {
  const TallColumns at(p.channels, p.fan);
  const float* w = p.in + at.offset;
  float* u = p.out + at.offset;
  const float factor = demodulation_scale(
      tall_sum(p.fan, at.inside, [&](int row) { return square(w[std::int64_t{row} * p.channels]); }), p.epsilon);
  if (!at.inside) return;
  if (at.warp == 0)
    p.scale[blockIdx.y * static_cast<unsigned>(p.channels) + static_cast<unsigned>(at.channel)] = factor;
  for (std::int64_t row = at.warp; row < p.fan; row += kTallWarps) u[row * p.channels] = w[row * p.channels] * factor;
}

__global__ void __launch_bounds__(kTallWarps* kWarp) demodulate_columns_backward_kernel(Demodulation p) {
  const TallColumns at(p.channels, p.fan);
  const float* du = p.in + at.offset;
  const float* u = p.u + at.offset;
  float* dw = p.out + at.offset;
  const auto inner = static_cast<float>(tall_sum(p.fan, at.inside, [&](int row) {
    const std::int64_t i = std::int64_t{row} * p.channels;
    return static_cast<double>(du[i]) * static_cast<double>(u[i]);
  }));
  if (!at.inside) return;
  const float factor = p.scale[blockIdx.y * static_cast<unsigned>(p.channels) + static_cast<unsigned>(at.channel)];
  for (std::int64_t row = at.warp; row < p.fan; row += kTallWarps) {
    const std::int64_t i = row * p.channels;
    write(p.mode, factor * (du[i] - u[i] * inner), dw + i);
  }
}

void run(Stream& stream, OutputDimension dimension, const Shape& shape, void (*rows)(Demodulation),
         void (*columns)(Demodulation), Demodulation p) {
  const bool first = dimension == OutputDimension::first;
  const std::int64_t nets = shape[0], channels = shape[first ? 1 : 4];
  p.channels = static_cast<int>(channels);
  p.fan = static_cast<int>(shape.size() / (nets * channels));
  if (first) {
    launch(stream, rows, dim3(static_cast<unsigned>(nets * channels)), dim3(kRowThreads), 0, p);
  } else {
    launch(stream, columns, dim3(static_cast<unsigned>(ceil_div(channels, kWarp)), static_cast<unsigned>(nets)),
           dim3(kTallWarps * kWarp), 0, p);
  }
}

}  // namespace

void demodulate(Stream& stream, OutputDimension dimension, float epsilon, View<const float> w, View<float> u,
                View<float> scale) {
  run(stream, dimension, w.shape, demodulate_rows_kernel, demodulate_columns_kernel,
      {w.data, nullptr, u.data, scale.data, 0, 0, epsilon, WriteMode::overwrite});
}

void demodulate_backward(Stream& stream, OutputDimension dimension, View<const float> u, View<const float> scale,
                         View<const float> du, WriteMode mode, View<float> dw) {
  // The kernels only read the scale.
  run(stream, dimension, u.shape, demodulate_rows_backward_kernel, demodulate_columns_backward_kernel,
      {du.data, u.data, dw.data, const_cast<float*>(scale.data), 0, 0, 0.0f, mode});
}

}  // namespace clade::kernels::cuda
