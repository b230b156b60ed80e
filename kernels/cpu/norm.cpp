// SPDX-License-Identifier: Apache-2.0
// Instance normalisation: a task owns a block of channels of one sample, which stays in the cache between its passes.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/lanes.h"
#include "kernels/cpu/loops.h"
#include "kernels/kernels.h"

namespace clade::kernels::cpu {

namespace {

/// Slope of the activation for negative values.
float negative_slope(Activation activation) {
  switch (activation) {
    case Activation::none:
      return 1.0f;
    case Activation::leaky_relu:
      return kLeakySlope;
    default:
      return 0.0f;
  }
}

constexpr std::int64_t kPixelsAtOnce = 32;

struct Samples {
  explicit Samples(const Shape& shape) : count(shape[0] * shape[1]), pixels(shape[2] * shape[3]), channels(shape[4]) {}
  std::int64_t count, pixels, channels;
  std::int64_t offset(std::int64_t sample, std::int64_t channel) const { return sample * pixels * channels + channel; }
};

}  // namespace

void instance_norm_forward(Stream& stream, float epsilon, Activation activation, View<const float> x, View<float> y,
                           View<float> statistics) {
  const Samples samples(x.shape);
  const float slope = negative_slope(activation);
  const double pixels = static_cast<double>(samples.pixels);
  for_channel_blocks(stream, samples.count, samples.channels, [&](std::int64_t sample, std::int64_t first, auto width) {
    const float* in = x.data + samples.offset(sample, first);
    ChannelSums mean{}, variance{};
    for (std::int64_t p = 0; p < samples.pixels; ++p)
      for (std::int64_t i = 0; i < width; ++i) mean[i] += in[p * samples.channels + i];
    for (std::int64_t i = 0; i < width; ++i) mean[i] /= pixels;
    for (std::int64_t p = 0; p < samples.pixels; ++p)
      for (std::int64_t i = 0; i < width; ++i) {
        const double deviation = in[p * samples.channels + i] - mean[i];
        variance[i] += deviation * deviation;
      }

    std::array<float, kChannelBlock> shift{}, rstd{};
    float* saved = statistics.data + 2 * (sample * samples.channels + first);
    for (std::int64_t i = 0; i < width; ++i) {
      saved[2 * i] = shift[i] = static_cast<float>(mean[i]);
      saved[2 * i + 1] = rstd[i] = static_cast<float>(1.0 / std::sqrt(variance[i] / pixels + epsilon));
    }
    float* out = y.data + samples.offset(sample, first);
    for (std::int64_t p = 0; p < samples.pixels; ++p)
      for (std::int64_t i = 0; i < width; ++i) {
        const float z = (in[p * samples.channels + i] - shift[i]) * rstd[i];
        out[p * samples.channels + i] = std::max(z, slope * z);  // slopes are at most 1
      }
  });
}

// With z = (x - mean) * rstd and g = dy * activation'(z): dx = rstd * (g - mean(g) - z * mean(g * z)).
void instance_norm_backward(Stream& stream, Activation activation, View<const float> x, View<const float> statistics,
                            View<const float> dy, WriteMode mode, View<float> dx) {
  const Samples samples(x.shape);
  const float slope = negative_slope(activation);
  const double pixels = static_cast<double>(samples.pixels);
  for_channel_blocks(stream, samples.count, samples.channels, [&](std::int64_t sample, std::int64_t first, auto width) {
    const std::int64_t offset = samples.offset(sample, first);
    const float* in = x.data + offset;
    const float* upstream = dy.data + offset;
    float* out = dx.data + offset;

    std::array<float, kChannelBlock> shift{}, rstd{};
    const float* saved = statistics.data + 2 * (sample * samples.channels + first);
    for (std::int64_t i = 0; i < width; ++i) {
      shift[i] = saved[2 * i];
      rstd[i] = saved[2 * i + 1];
    }
    // A few pixels at a time go into lines of their own, as vectors whatever the number of channels.
    std::array<float, kPixelsAtOnce * kChannelBlock> z{}, g{};
    const auto for_strips = [&](const auto& body) {
      for (std::int64_t pixel = 0; pixel < samples.pixels; pixel += kPixelsAtOnce) {
        const std::int64_t count = std::min(kPixelsAtOnce, samples.pixels - pixel);
        for (std::int64_t p = 0; p < count; ++p) {
          const std::int64_t at = (pixel + p) * samples.channels;
          for (std::int64_t i = 0; i < width; ++i) {
            z[p * width + i] = (in[at + i] - shift[i]) * rstd[i];
            g[p * width + i] = upstream[at + i];
          }
        }
        for (std::int64_t i = 0; i < count * width; i += kLanes)  // the arrays hold whole vectors
          store(g.data() + i, rectify(slope, load(z.data() + i), load(g.data() + i)));
        body(pixel, count);
      }
    };

    ChannelSums sum_g{}, sum_gz{};
    for_strips([&](std::int64_t, std::int64_t count) {
      for (std::int64_t p = 0; p < count; ++p)
        for (std::int64_t i = 0; i < width; ++i) {
          const double gradient = g[p * width + i];
          sum_g[i] += gradient;
          sum_gz[i] += gradient * z[p * width + i];
        }
    });
    std::array<float, kChannelBlock> mean_g{}, mean_gz{};
    for (std::int64_t i = 0; i < width; ++i) {
      mean_g[i] = static_cast<float>(sum_g[i] / pixels);
      mean_gz[i] = static_cast<float>(sum_gz[i] / pixels);
    }
    for_strips([&](std::int64_t pixel, std::int64_t count) {
      for (std::int64_t p = 0; p < count; ++p) {
        float* target = out + (pixel + p) * samples.channels;
        for (std::int64_t i = 0; i < width; ++i)
          write(mode, rstd[i] * (g[p * width + i] - mean_g[i] - z[p * width + i] * mean_gz[i]), target[i]);
      }
    });
  });
}

}  // namespace clade::kernels::cpu
