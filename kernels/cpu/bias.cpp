// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/loops.h"
#include "kernels/kernels.h"

namespace clade::kernels::cpu {

void bias_backward(Stream& stream, View<const float> dy, WriteMode mode, View<float> dbias) {
  const std::int64_t nets = dbias.shape[0], channels = dbias.shape[1];
  const std::int64_t rows = dy.size() / (nets * channels);
  for_channel_blocks(stream, nets, channels, [&](std::int64_t net, std::int64_t first, auto width) {
    ChannelSums sums{};
    const float* in = dy.data + net * rows * channels + first;
    for (std::int64_t row = 0; row < rows; ++row, in += channels)
      for (std::int64_t i = 0; i < width; ++i) sums[i] += in[i];
    for (std::int64_t i = 0; i < width; ++i)
      write(mode, static_cast<float>(sums[i]), dbias[net * channels + first + i]);
  });
}

}  // namespace clade::kernels::cpu
