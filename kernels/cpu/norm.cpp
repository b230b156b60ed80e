// SPDX-License-Identifier: Apache-2.0
// Instance normalisation: a task owns a block of channels of one sample, which stays in the cache between its passes.
#include <cmath>

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

/// A choice between constants. Of products only one would be wanted, and compilers would rather branch, on signs that
/// nobody can foretell, than compute both.
float slope_at(float z, float negative) { return z > 0.0f ? 1.0f : negative; }

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
        out[p * samples.channels + i] = z * slope_at(z, slope);
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
    const auto z_of = [&](std::int64_t p, std::int64_t i) {
      return (in[p * samples.channels + i] - shift[i]) * rstd[i];
    };
    const auto g_of = [&](std::int64_t p, std::int64_t i, float z) {
      return upstream[p * samples.channels + i] * slope_at(z, slope);
    };

    ChannelSums sum_g{}, sum_gz{};
    for (std::int64_t p = 0; p < samples.pixels; ++p)
      for (std::int64_t i = 0; i < width; ++i) {
        const float z = z_of(p, i);
        const double g = g_of(p, i, z);
        sum_g[i] += g;
        sum_gz[i] += g * z;
      }
    std::array<float, kChannelBlock> mean_g{}, mean_gz{};
    for (std::int64_t i = 0; i < width; ++i) {
      mean_g[i] = static_cast<float>(sum_g[i] / pixels);
      mean_gz[i] = static_cast<float>(sum_gz[i] / pixels);
    }
    for (std::int64_t p = 0; p < samples.pixels; ++p)
      for (std::int64_t i = 0; i < width; ++i) {
        const float z = z_of(p, i);
        write(mode, rstd[i] * (g_of(p, i, z) - mean_g[i] - z * mean_gz[i]), out[p * samples.channels + i]);
      }
  });
}

}  // namespace clade::kernels::cpu
