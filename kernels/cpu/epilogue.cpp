// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/epilogue.h"

#include <algorithm>

#include "kernels/cpu/loops.h"
#include "kernels/kernels.h"

namespace clade::kernels::cpu {

namespace {

/// body(slope), slope(y, dy) = dy * activation'(z). The choice stays outside of the loops, so each of them vectorises.
template <class Body>
void with_slope(Activation activation, const Body& body) {
  switch (activation) {
    case Activation::none:
      return body([](float, float g) { return g; });
    case Activation::relu:
      return body([](float out, float g) { return out > 0.0f ? g : 0.0f; });
    case Activation::leaky_relu:
      // A sum that is 1 or the slope, exactly: of a choice compilers make a branch.
      return body([](float out, float g) {
        return g * (kLeakySlope + (1.0f - kLeakySlope) * static_cast<float>(out > 0.0f));
      });
    case Activation::tanh:
      return body([](float out, float g) { return g * (1.0f - out * out); });
  }
}

// Values whose slope is taken before the same values, then in the L1 cache, are added up and scaled.
constexpr std::int64_t kBlockFloats = 2048;

}  // namespace

void epilogue_backward(Stream& stream, Activation activation, View<const float> scale, View<const float> y,
                       View<float> dy, WriteMode mode, View<float> dbias) {
  const std::int64_t nets = y.shape[0], channels = y.shape[4], rows = y.size() / (nets * channels);
  const std::int64_t step = ceil_div(kFlatChunk, channels), chunks = ceil_div(rows, step);
  const std::int64_t block = ceil_div(kBlockFloats, channels);
  const ArenaScope scope(stream.scratch());
  const View<double> sums = stream.scratch().view<double>({nets, chunks, channels});
  with_slope(activation, [&](auto slope) {
    stream.pool().parallel_for(nets * chunks, [&](std::int64_t task) {
      const std::int64_t net = task / chunks, begin = task % chunks * step, end = std::min(begin + step, rows);
      double* sum = sums.data + task * channels;
      std::fill_n(sum, channels, 0.0);
      for (std::int64_t first = begin; first < end; first += block) {
        const std::int64_t count = std::min(block, end - first);
        const float* out = y.data + (net * rows + first) * channels;
        float* gradient = dy.data + (net * rows + first) * channels;
        for (std::int64_t i = 0; i < count * channels; ++i) gradient[i] = slope(out[i], gradient[i]);
        for (std::int64_t row = 0; row < count && dbias; ++row)
          for (std::int64_t c = 0; c < channels; ++c) sum[c] += gradient[row * channels + c];
        if (!scale) continue;
        const float* factor = scale.data + net * channels;
        for (std::int64_t row = 0; row < count; ++row)
          for (std::int64_t c = 0; c < channels; ++c) gradient[row * channels + c] *= factor[c];
      }
    });
  });
  if (!dbias) return;
  for_channel_blocks(stream, nets, channels, [&](std::int64_t net, std::int64_t first, auto width) {
    ChannelSums total{};
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk)
      for (std::int64_t i = 0; i < width; ++i) total[i] += sums[(net * chunks + chunk) * channels + first + i];
    for (std::int64_t i = 0; i < width; ++i) write(mode, static_cast<float>(total[i]), dbias[net * channels + first + i]);
  });
}

}  // namespace clade::kernels::cpu
