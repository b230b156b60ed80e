// SPDX-License-Identifier: Apache-2.0
// An output channel is a contiguous row of the weights (first dimension) or a column of them (last dimension).
#include "kernels/cpu/demodulation.h"

#include "kernels/cpu/loops.h"
#include "kernels/kernels.h"

namespace clade::kernels::cpu {

namespace {

/// The weights of a net as a matrix with the output channels along its rows or columns.
struct WeightMatrix {
  WeightMatrix(OutputDimension dimension, const Shape& shape)
      : nets(shape[0]),
        channels(shape[dimension == OutputDimension::first ? 1 : 4]),
        fan(shape.size() / (nets * channels)) {}
  std::int64_t nets, channels;
  std::int64_t fan;  ///< weights of one output channel
};

}  // namespace

void demodulate(Stream& stream, OutputDimension dimension, float epsilon, View<const float> w, View<float> u,
                View<float> scale) {
  const WeightMatrix matrix(dimension, w.shape);
  if (dimension == OutputDimension::first) {
    stream.pool().parallel_for(matrix.nets * matrix.channels, [&](std::int64_t channel) {
      const std::int64_t begin = channel * matrix.fan, end = begin + matrix.fan;
      const float factor = demodulation_scale(
          lane_sum(begin, end, [&](std::int64_t i) { return static_cast<double>(w[i]) * w[i]; }), epsilon);
      scale[channel] = factor;
      for (std::int64_t i = begin; i < end; ++i) u[i] = w[i] * factor;
    });
    return;
  }
  for_channel_blocks(stream, matrix.nets, matrix.channels, [&](std::int64_t net, std::int64_t first, auto width) {
    const std::int64_t offset = net * matrix.fan * matrix.channels + first;
    const float* in = w.data + offset;
    float* out = u.data + offset;
    ChannelSums sums{};
    for (std::int64_t row = 0; row < matrix.fan; ++row)
      for (std::int64_t i = 0; i < width; ++i) {
        const double value = in[row * matrix.channels + i];
        sums[i] += value * value;
      }
    std::array<float, kChannelBlock> factor{};
    for (std::int64_t i = 0; i < width; ++i)
      scale[net * matrix.channels + first + i] = factor[i] = demodulation_scale(sums[i], epsilon);
    for (std::int64_t row = 0; row < matrix.fan; ++row)
      for (std::int64_t i = 0; i < width; ++i)
        out[row * matrix.channels + i] = in[row * matrix.channels + i] * factor[i];
  });
}

void demodulate_backward(Stream& stream, OutputDimension dimension, View<const float> u, View<const float> scale,
                         View<const float> du, WriteMode mode, View<float> dw) {
  const WeightMatrix matrix(dimension, u.shape);
  if (dimension == OutputDimension::first) {
    stream.pool().parallel_for(matrix.nets * matrix.channels, [&](std::int64_t channel) {
      const std::int64_t begin = channel * matrix.fan, end = begin + matrix.fan;
      const float inner =
          static_cast<float>(lane_sum(begin, end, [&](std::int64_t i) { return static_cast<double>(du[i]) * u[i]; }));
      const float factor = scale[channel];
      for (std::int64_t i = begin; i < end; ++i) write(mode, factor * (du[i] - u[i] * inner), dw[i]);
    });
    return;
  }
  for_channel_blocks(stream, matrix.nets, matrix.channels, [&](std::int64_t net, std::int64_t first, auto width) {
    const std::int64_t offset = net * matrix.fan * matrix.channels + first;
    const float* weight = u.data + offset;
    const float* upstream = du.data + offset;
    float* out = dw.data + offset;
    ChannelSums sums{};
    for (std::int64_t row = 0; row < matrix.fan; ++row)
      for (std::int64_t i = 0; i < width; ++i)
        sums[i] += static_cast<double>(upstream[row * matrix.channels + i]) * weight[row * matrix.channels + i];
    std::array<float, kChannelBlock> inner{}, factor{};
    for (std::int64_t i = 0; i < width; ++i) {
      inner[i] = static_cast<float>(sums[i]);
      factor[i] = scale[net * matrix.channels + first + i];
    }
    for (std::int64_t row = 0; row < matrix.fan; ++row)
      for (std::int64_t i = 0; i < width; ++i) {
        const std::int64_t at = row * matrix.channels + i;
        write(mode, factor[i] * (upstream[at] - weight[at] * inner[i]), out[at]);
      }
  });
}

}  // namespace clade::kernels::cpu
