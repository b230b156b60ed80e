// SPDX-License-Identifier: Apache-2.0
// Column sums with what is done to each value on the way. The gradients of a layer have few columns and up to thousands
// of rows, so rows are split over blocks and the last block of a column group adds their parts up.
#include "kernels/cuda/epilogue.cuh"

#include "kernels/cuda/loops.cuh"
#include "kernels/kernels.h"

namespace clade::kernels::cuda {

namespace {

constexpr std::int64_t kRowsPerBlock = 16 * kColumnWarps;

struct EpilogueGradient {
  Activation activation;
  const float* scale;  // [nets, channels], or null
  const float* y;      // [nets, rows, channels]
  float* dy;           // as well
  double* partial;  // [nets, groups, splits, 32]
  std::uint32_t* counters;
  WriteMode mode;
  float* dbias;  // [nets, channels], or null
  std::int64_t rows;
  int channels;
};

/// dy * activation'(z), read off y = activation(z).
__device__ inline float slope(Activation activation, float y, float dy) {
  switch (activation) {
    case Activation::relu:
      return y > 0.0f ? dy : 0.0f;
    case Activation::leaky_relu:
      return y > 0.0f ? dy : kLeakySlope * dy;
    case Activation::tanh:
      return dy * (1.0f - y * y);
    case Activation::none:
      break;
  }
  return dy;
}

// Grid: channel groups, nets, splits.
__global__ void __launch_bounds__(kColumnThreads) epilogue_gradient_kernel(EpilogueGradient p) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const int channel = static_cast<int>(blockIdx.x) * kWarp + lane;
  const bool inside = channel < p.channels;
  const std::int64_t first = blockIdx.z * kRowsPerBlock;
  const std::int64_t end = min(p.rows, first + kRowsPerBlock);
  const std::int64_t column = blockIdx.y * p.rows * p.channels + channel;
  double sum = 0.0;
  if (inside) {
    const float factor = p.scale != nullptr ? p.scale[blockIdx.y * static_cast<unsigned>(p.channels) + channel] : 1.0f;
    for (std::int64_t row = first + warp; row < end; row += kColumnWarps) {
      const std::int64_t i = column + row * p.channels;
      const float dz = slope(p.activation, p.y[i], p.dy[i]);
      sum += static_cast<double>(dz);
      p.dy[i] = factor * dz;
    }
  }
  if (p.dbias == nullptr) return;
  sum = column_sum<kColumnThreads, kWarp>(sum);

  const unsigned group = blockIdx.y * gridDim.x + blockIdx.x;
  double* partial = p.partial + std::int64_t{group} * gridDim.z * kWarp;
  if (gridDim.z > 1) {
    if (warp == 0) partial[blockIdx.z * kWarp + static_cast<unsigned>(lane)] = sum;
    if (!last_block(p.counters + group, gridDim.z)) return;
    sum = 0.0;
    for (unsigned split = 0; split < gridDim.z; ++split) sum += partial[split * kWarp + static_cast<unsigned>(lane)];
  }
  if (warp == 0 && inside)
    write(p.mode, static_cast<float>(sum), p.dbias + blockIdx.y * static_cast<unsigned>(p.channels) + channel);
}

}  // namespace

void epilogue_backward(Stream& stream, Activation activation, View<const float> scale, View<const float> y,
                       View<float> dy, WriteMode mode, View<float> dbias) {
  const std::int64_t nets = y.shape[0], channels = y.shape[4];
  const std::int64_t rows = y.size() / (nets * channels);
  const std::int64_t groups = ceil_div(channels, kWarp), splits = ceil_div(rows, kRowsPerBlock);
  CLADE_CHECK(nets * groups <= Stream::kCounters && splits <= 65535, ErrorCode::internal, "bias gradient of ", y.shape);
  const ArenaScope scope(stream.scratch());
  const View<double> partial = stream.scratch().view<double>({nets, groups, splits, kWarp});
  launch(stream, epilogue_gradient_kernel,
         dim3(static_cast<unsigned>(groups), static_cast<unsigned>(nets), static_cast<unsigned>(splits)),
         dim3(kColumnThreads), 0,
         EpilogueGradient{activation, scale.data, y.data, dy.data, partial.data, stream.counters(), mode, dbias.data, rows,
                          static_cast<int>(channels)});
}

}  // namespace clade::kernels::cuda
