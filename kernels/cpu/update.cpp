// SPDX-License-Identifier: Apache-2.0
#include <Eigen/Core>
#include <algorithm>
#include <cmath>

#include "kernels/cpu/demodulation.h"
#include "kernels/cpu/lanes.h"
#include "kernels/cpu/loops.h"
#include "kernels/kernels.h"

namespace clade::kernels::cpu {

namespace {

// Eigen arrays because a plain loop with std::sqrt does not vectorise while sqrt may set errno.
using Values = Eigen::Map<Eigen::ArrayXf>;
using ConstValues = Eigen::Map<const Eigen::ArrayXf>;

/// One update with the corrections for the moments' start at zero worked out.
struct AdamStep {
  AdamStep(const AdamParameters& parameters, std::int64_t step)
      : beta1(parameters.beta1), beta2(parameters.beta2), epsilon(parameters.epsilon) {
    const auto count = static_cast<double>(step);
    rate = static_cast<float>(parameters.learning_rate / (1.0 - std::pow(static_cast<double>(beta1), count)));
    correction = static_cast<float>(1.0 / (1.0 - std::pow(static_cast<double>(beta2), count)));
  }

  template <class Gradient>
  void operator()(const Gradient& g, Values m, Values v, Values w) const {
    m = beta1 * m + (1.0f - beta1) * g;
    v = beta2 * v + (1.0f - beta2) * g.square();
    w -= rate * m / ((correction * v).sqrt() + epsilon);
  }

  float beta1, beta2, epsilon;
  float rate = 0.0f;
  float correction = 0.0f;
};

// How far in front of an update memory is asked for.
constexpr std::int64_t kFloatsAhead = 512;
// Rows of weights that a task works off, so that it knows which comes next.
constexpr std::int64_t kRowsOfTask = 8;

// A row is worked off in blocks that stay in the L1 cache; with each, as much of the next row is asked for.
template <class Body>
void for_short_blocks(std::int64_t begin, std::int64_t end, const Body& body) {
  constexpr std::int64_t kBlock = 8 * kCacheLine;
  for (std::int64_t first = begin; first < end; first += kBlock) body(first, std::min(first + kBlock, end));
}
template <class... Arrays>
void ask_for(std::int64_t first, std::int64_t last, const Arrays&... arrays) {
  for (std::int64_t i = first; i < last; i += kCacheLine) (__builtin_prefetch(arrays.data + i, 1), ...);
}

}  // namespace

void adam(Stream& stream, const AdamParameters& parameters, View<const StepControl> control, View<const float> gradient,
          View<float> m, View<float> v, View<float> w) {
  if (control[0].finite == 0) return;
  const AdamStep step(parameters, control[0].step);
  for_flat_chunks(stream, w.size(), [&](std::int64_t begin, std::int64_t end) {
    for_short_blocks(begin, end, [&](std::int64_t first, std::int64_t last) {
      const std::int64_t count = last - first;
      ask_for(first + kFloatsAhead, std::min(last + kFloatsAhead, w.size()), gradient, m, v, w);
      step(ConstValues(gradient.data + first, count), Values(m.data + first, count), Values(v.data + first, count),
           Values(w.data + first, count));
    });
  });
}

void clip_norm(Stream& stream, float most, View<float> gradient) {
  const double squares = sum_chunks(stream, gradient.size(), kFlatChunk, [&](std::int64_t begin, std::int64_t end) {
    return lane_sum(begin, end, [&](std::int64_t i) { return static_cast<double>(gradient[i]) * gradient[i]; });
  });
  const float factor = clip_factor(squares, most);
  if (factor == 1.0f) return;
  for_flat_chunks(stream, gradient.size(), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) gradient[i] *= factor;
  });
}

void average_weights(Stream& stream, float decay, View<const StepControl> control, View<const float> w,
                     View<float> average) {
  if (control[0].finite == 0) return;
  const float share = 1.0f - average_decay(decay, control[0].step);
  for_flat_chunks(stream, w.size(), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) average[i] += share * (w[i] - average[i]);
  });
}

void update_demodulated(Stream& stream, const AdamParameters& parameters, float epsilon,
                        std::span<const ParameterSegment> segments, View<const StepControl> control,
                        View<const float> dw, View<float> m, View<float> v, View<float> w, View<float> scale) {
  if (control[0].finite == 0) return;
  const AdamStep step(parameters, control[0].step);
  const auto square = [&](std::int64_t i) { return static_cast<double>(w[i]) * w[i]; };
  const auto product = [&](std::int64_t i) { return static_cast<double>(dw[i]) * w[i]; };
  const auto step_along = [&](std::int64_t first, std::int64_t count, const auto& share) {
    const ConstValues gradient(dw.data + first, count), weights(w.data + first, count);
    step(gradient - share * weights, Values(m.data + first, count), Values(v.data + first, count),
         Values(w.data + first, count));
  };
  for (const ParameterSegment& segment : segments) {
    const std::int64_t channels = segment.channels, fan = segment.fan, nets = segment.nets;
    if (!segment.demodulated) {
      const auto part = [&](auto block) {
        return decltype(block)(block.data + segment.offset, {nets, channels * fan});
      };
      adam(stream, parameters, control, part(dw), part(m), part(v), part(w));
      continue;
    }
    if (segment.dimension == OutputDimension::first) {
      // A channel is a contiguous row, so that one pass serves all three steps while the row is in the cache. The steps'
      // roots and quotients take as long as the next row takes to come.
      const std::int64_t rows = nets * channels;
      stream.pool().parallel_for(ceil_div(rows, kRowsOfTask), [&](std::int64_t task) {
        const std::int64_t last_row = std::min((task + 1) * kRowsOfTask, rows) - 1;
        for (std::int64_t row = task * kRowsOfTask; row <= last_row; ++row) {
          const std::int64_t begin = segment.offset + row * fan, end = begin + fan;
          const std::int64_t next = row < last_row ? fan : 0;
          float& factor = scale[segment.scale + row];
          const float share = demodulation_share(factor, lane_sum(begin, end, product));
          double squares = 0.0;
          for_short_blocks(begin, end, [&](std::int64_t first, std::int64_t last) {
            ask_for(first + next, last + next, dw, w, m, v);
            step_along(first, last - first, share);
            squares += lane_sum(first, last, square);
          });
          factor = demodulation_scale(squares, epsilon);
        }
      });
      continue;
    }
    for_channel_blocks(stream, nets, channels, [&](std::int64_t net, std::int64_t first, auto width) {
      const std::int64_t begin = segment.offset + net * fan * channels + first, end = begin + fan * channels;
      float* factors = scale.data + segment.scale + net * channels + first;
      ChannelSums inner{}, squares{};
      for (std::int64_t row = begin; row < end; row += channels)
        for (std::int64_t i = 0; i < width; ++i) inner[i] += product(row + i);
      Eigen::Array<float, kChannelBlock, 1> shares;
      for (std::int64_t i = 0; i < width; ++i) shares[i] = demodulation_share(factors[i], inner[i]);
      for (std::int64_t row = begin; row < end; row += channels) {
        step_along(row, width, shares.head(width));
        for (std::int64_t i = 0; i < width; ++i) squares[i] += square(row + i);
      }
      for (std::int64_t i = 0; i < width; ++i) factors[i] = demodulation_scale(squares[i], epsilon);
    });
  }
}

void mean_deviation(Stream& stream, View<const float> x, View<float> result) {
  const std::int64_t samples = x.shape[0] * x.shape[1];
  const std::int64_t size = x.size() / samples;
  const double sum = sum_chunks(stream, samples, 1, [&](std::int64_t sample, std::int64_t) {
    const std::int64_t begin = sample * size, end = begin + size;
    const double mean = lane_sum(begin, end, [&](std::int64_t i) { return x[i]; }) / static_cast<double>(size);
    const double squares = lane_sum(begin, end, [&](std::int64_t i) { return (x[i] - mean) * (x[i] - mean); });
    return std::sqrt(squares / static_cast<double>(size));
  });
  result[0] = static_cast<float>(sum / static_cast<double>(samples));
}

}  // namespace clade::kernels::cpu
