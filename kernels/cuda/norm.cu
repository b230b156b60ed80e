// SPDX-License-Identifier: Apache-2.0
// Instance normalisation: a block owns 32 channels of one sample and reads them two or three times, from the second
// time on out of the L1 cache (at most 16 x 16 pixels of 32 channels in our networks: 32 KiB).
#include "kernels/cuda/loops.cuh"
#include "kernels/kernels.h"

namespace clade::kernels::cuda {

namespace {

struct Normalisation {
  const float* x;  // [samples, pixels, channels]
  const float* dy;
  float* statistics;  // [samples, channels, 2]: mean, reciprocal deviation
  float* out;
  int pixels;
  int channels;
  float epsilon;
  float slope;  // of the activation for negative values
  WriteMode mode;
};

// Grid: channel groups, samples. Calls body(pixel's offset) for the pixels of a warp; lanes are channels.
struct Columns {
  std::int64_t offset;
  int channel;
  bool inside;
  int warp;
  __device__ explicit Columns(const Normalisation& p)
      : channel(static_cast<int>(blockIdx.x) * kWarp + static_cast<int>(threadIdx.x) % kWarp),
        inside(channel < p.channels),
        warp(static_cast<int>(threadIdx.x) / kWarp) {
    offset = std::int64_t{blockIdx.y} * p.pixels * p.channels + channel;
  }
};

__global__ void __launch_bounds__(kColumnThreads) instance_norm_kernel(Normalisation p) {
  const Columns at(p);
  const float* x = p.x + at.offset;
  double sum = 0.0;
  if (at.inside)
    for (int i = at.warp; i < p.pixels; i += kColumnWarps) sum += static_cast<double>(x[i * p.channels]);
  const double mean = column_sum<kColumnThreads, kWarp>(sum) / p.pixels;
  double squares = 0.0;
  if (at.inside)
    for (int i = at.warp; i < p.pixels; i += kColumnWarps) {
      const double deviation = static_cast<double>(x[i * p.channels]) - mean;
      squares += deviation * deviation;
    }
  const double variance = column_sum<kColumnThreads, kWarp>(squares) / p.pixels;
  if (!at.inside) return;
  const auto shift = static_cast<float>(mean);
  const auto rstd = static_cast<float>(1.0 / sqrt(variance + static_cast<double>(p.epsilon)));
  if (at.warp == 0) {
    float* saved =
        p.statistics + 2 * (blockIdx.y * static_cast<unsigned>(p.channels) + static_cast<unsigned>(at.channel));
    saved[0] = shift;
    saved[1] = rstd;
  }
  float* y = p.out + at.offset;
  for (int i = at.warp; i < p.pixels; i += kColumnWarps) {
    const float z = (x[i * p.channels] - shift) * rstd;
    y[i * p.channels] = z > 0.0f ? z : p.slope * z;
  }
}

// With z = (x - mean) * rstd and g = dy * activation'(z): dx = rstd * (g - mean(g) - z * mean(g * z)).
__global__ void __launch_bounds__(kColumnThreads) instance_norm_backward_kernel(Normalisation p) {
  const Columns at(p);
  const float* x = p.x + at.offset;
  const float* dy = p.dy + at.offset;
  float shift = 0.0f, rstd = 0.0f;
  double sum_g = 0.0, sum_gz = 0.0;
  if (at.inside) {
    const float* saved =
        p.statistics + 2 * (blockIdx.y * static_cast<unsigned>(p.channels) + static_cast<unsigned>(at.channel));
    shift = saved[0];
    rstd = saved[1];
    for (int i = at.warp; i < p.pixels; i += kColumnWarps) {
      const float z = (x[i * p.channels] - shift) * rstd;
      const float upstream = dy[i * p.channels];
      const double g = static_cast<double>(z > 0.0f ? upstream : p.slope * upstream);
      sum_g += g;
      sum_gz += g * static_cast<double>(z);
    }
  }
  const auto mean_g = static_cast<float>(column_sum<kColumnThreads, kWarp>(sum_g) / p.pixels);
  const auto mean_gz = static_cast<float>(column_sum<kColumnThreads, kWarp>(sum_gz) / p.pixels);
  if (!at.inside) return;
  float* dx = p.out + at.offset;
  for (int i = at.warp; i < p.pixels; i += kColumnWarps) {
    const float z = (x[i * p.channels] - shift) * rstd;
    const float upstream = dy[i * p.channels];
    const float g = z > 0.0f ? upstream : p.slope * upstream;
    write(p.mode, rstd * (g - mean_g - z * mean_gz), dx + i * p.channels);
  }
}

float negative_slope(Activation activation) {
  return activation == Activation::none ? 1.0f : activation == Activation::leaky_relu ? kLeakySlope : 0.0f;
}

dim3 column_grid(const Shape& shape) {
  return dim3(static_cast<unsigned>(ceil_div(shape[4], kWarp)), static_cast<unsigned>(shape[0] * shape[1]));
}

}  // namespace

void instance_norm_forward(Stream& stream, float epsilon, Activation activation, View<const float> x, View<float> y,
                           View<float> statistics) {
  launch(stream, instance_norm_kernel, column_grid(x.shape), dim3(kColumnThreads), 0,
         Normalisation{x.data, nullptr, statistics.data, y.data, static_cast<int>(x.shape[2] * x.shape[3]),
                       static_cast<int>(x.shape[4]), epsilon, negative_slope(activation), WriteMode::overwrite});
}

void instance_norm_backward(Stream& stream, Activation activation, View<const float> x, View<const float> statistics,
                            View<const float> dy, WriteMode mode, View<float> dx) {
  // The kernel only reads the statistics.
  launch(stream, instance_norm_backward_kernel, column_grid(x.shape), dim3(kColumnThreads), 0,
         Normalisation{x.data, dy.data, const_cast<float*>(statistics.data), dx.data,
                       static_cast<int>(x.shape[2] * x.shape[3]), static_cast<int>(x.shape[4]), 0.0f,
                       negative_slope(activation), mode});
}

}  // namespace clade::kernels::cuda
