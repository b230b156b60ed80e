// SPDX-License-Identifier: Apache-2.0
#include <Eigen/Core>
#include <cmath>

#include "kernels/cpu/loops.h"
#include "kernels/kernels.h"

namespace clade::kernels::cpu {

void adam(Stream& stream, const AdamParameters& parameters, View<const float> gradient, View<float> m, View<float> v,
          View<float> w) {
  const float beta1 = parameters.beta1, beta2 = parameters.beta2, epsilon = parameters.epsilon;
  const double step = static_cast<double>(parameters.step);
  const float rate = static_cast<float>(parameters.learning_rate / (1.0 - std::pow(static_cast<double>(beta1), step)));
  const float correction = static_cast<float>(1.0 / (1.0 - std::pow(static_cast<double>(beta2), step)));

  // Eigen arrays because a plain loop with std::sqrt does not vectorise while sqrt may set errno.
  using Values = Eigen::Map<Eigen::ArrayXf>;
  for_flat_chunks(stream, w.size(), [&](std::int64_t begin, std::int64_t end) {
    const Eigen::Map<const Eigen::ArrayXf> g(gradient.data + begin, end - begin);
    Values mean(m.data + begin, end - begin), square(v.data + begin, end - begin), weight(w.data + begin, end - begin);
    mean = beta1 * mean + (1.0f - beta1) * g;
    square = beta2 * square + (1.0f - beta2) * g.square();
    weight -= rate * mean / ((correction * square).sqrt() + epsilon);
  });
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
