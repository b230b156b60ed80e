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

void demodulation_scales(Stream& stream, OutputDimension dimension, float epsilon, View<const float> w,
                         View<float> scale) {
  const WeightMatrix matrix(dimension, w.shape);
  if (dimension == OutputDimension::first) {
    stream.pool().parallel_for(matrix.nets * matrix.channels, [&](std::int64_t channel) {
      const std::int64_t begin = channel * matrix.fan, end = begin + matrix.fan;
      scale[channel] = demodulation_scale(
          lane_sum(begin, end, [&](std::int64_t i) { return static_cast<double>(w[i]) * w[i]; }), epsilon);
    });
    return;
  }
  for_channel_blocks(stream, matrix.nets, matrix.channels, [&](std::int64_t net, std::int64_t first, auto width) {
    const float* in = w.data + net * matrix.fan * matrix.channels + first;
    ChannelSums sums{};
    for (std::int64_t row = 0; row < matrix.fan; ++row, in += matrix.channels)
      for (std::int64_t i = 0; i < width; ++i) sums[i] += static_cast<double>(in[i]) * in[i];
    for (std::int64_t i = 0; i < width; ++i)
      scale[net * matrix.channels + first + i] = demodulation_scale(sums[i], epsilon);
  });
}

void demodulation_backward(Stream& stream, OutputDimension dimension, View<const float> w, View<const float> scale,
                           View<float> dw) {
  const WeightMatrix matrix(dimension, w.shape);
  if (dimension == OutputDimension::first) {
    stream.pool().parallel_for(matrix.nets * matrix.channels, [&](std::int64_t channel) {
      const std::int64_t begin = channel * matrix.fan, end = begin + matrix.fan;
      const float share = demodulation_share(
          scale[channel],
          lane_sum(begin, end, [&](std::int64_t i) { return static_cast<double>(dw[i]) * w[i]; }));
      for (std::int64_t i = begin; i < end; ++i) dw[i] -= share * w[i];
    });
    return;
  }
  for_channel_blocks(stream, matrix.nets, matrix.channels, [&](std::int64_t net, std::int64_t first, auto width) {
    const std::int64_t offset = net * matrix.fan * matrix.channels + first;
    ChannelSums sums{};
    for (std::int64_t row = 0; row < matrix.fan; ++row)
      for (std::int64_t i = 0; i < width; ++i) {
        const std::int64_t at = offset + row * matrix.channels + i;
        sums[i] += static_cast<double>(dw[at]) * w[at];
      }
    std::array<float, kChannelBlock> share{};
    for (std::int64_t i = 0; i < width; ++i)
      share[i] = demodulation_share(scale[net * matrix.channels + first + i], sums[i]);
    for (std::int64_t row = 0; row < matrix.fan; ++row)
      for (std::int64_t i = 0; i < width; ++i) {
        const std::int64_t at = offset + row * matrix.channels + i;
        dw[at] -= share[i] * w[at];
      }
  });
}

}  // namespace clade::kernels::cpu
