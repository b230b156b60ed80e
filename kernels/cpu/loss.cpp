// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "kernels/cpu/loops.h"
#include "kernels/kernels.h"

namespace clade::kernels::cpu {

namespace {

template <class Term>
void mean_of(Stream& stream, std::int64_t size, const Term& term, View<float> loss) {
  const double sum = sum_chunks(stream, size, kFlatChunk,
                                [&](std::int64_t begin, std::int64_t end) { return lane_sum(begin, end, term); });
  loss[0] = static_cast<float>(sum / static_cast<double>(size));
}

/// log(1 + exp(z)) without overflow.
double softplus(double z) { return std::log1p(std::exp(-std::abs(z))) + (z > 0.0 ? z : 0.0); }

double sigmoid(double z) {
  const double e = std::exp(-std::abs(z));
  return z > 0.0 ? 1.0 / (1.0 + e) : e / (1.0 + e);
}

}  // namespace

void l1_forward(Stream& stream, View<const float> a, View<const float> b, View<float> loss) {
  mean_of(
      stream, a.size(), [&](std::int64_t i) { return std::abs(static_cast<double>(a[i]) - b[i]); }, loss);
}

void l1_backward(Stream& stream, View<const float> a, View<const float> b, View<const float> dloss, WriteMode mode,
                 View<float> da) {
  const float step = dloss[0] / static_cast<float>(a.size());
  for_flat_chunks(stream, a.size(), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) write(mode, a[i] > b[i] ? step : a[i] < b[i] ? -step : 0.0f, da[i]);
  });
}

// The two terms of the cross-entropy keep their own form: softplus(z) - label * z would cancel for a large logit.
void adversarial_forward(Stream& stream, AdversarialLoss kind, float label, View<const float> logits,
                         View<float> loss) {
  const double target = label;
  if (kind == AdversarialLoss::bce) {
    mean_of(
        stream, logits.size(),
        [&](std::int64_t i) { return target * softplus(-logits[i]) + (1.0 - target) * softplus(logits[i]); }, loss);
  } else {
    mean_of(
        stream, logits.size(), [&](std::int64_t i) { return (logits[i] - target) * (logits[i] - target); }, loss);
  }
}

void adversarial_backward(Stream& stream, AdversarialLoss kind, float label, View<const float> logits,
                          View<const float> dloss, WriteMode mode, View<float> dlogits) {
  const double target = label;
  const double step = static_cast<double>(dloss[0]) / static_cast<double>(logits.size());
  for_flat_chunks(stream, logits.size(), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const double z = logits[i];
      const double slope =
          kind == AdversarialLoss::bce ? (1.0 - target) * sigmoid(z) - target * sigmoid(-z) : 2.0 * (z - target);
      write(mode, static_cast<float>(step * slope), dlogits[i]);
    }
  });
}

}  // namespace clade::kernels::cpu
