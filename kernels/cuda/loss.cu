// SPDX-License-Identifier: Apache-2.0
// Scalar losses over a few thousand values: one block each, sums in double in a fixed order.
#include "kernels/cuda/mean.cuh"
#include "kernels/kernels.h"

namespace clade::kernels::cuda {

namespace {

struct AbsoluteError {
  const float* a;
  const float* b;
  __device__ double operator()(std::int64_t i) const {
    return fabs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
  }
};

struct AbsoluteErrorGradient {
  const float* a;
  const float* b;
  const float* dloss;
  std::int64_t size;
  WriteMode mode;
  float* da;
  __device__ void operator()(std::int64_t i) const {
    const float step = *dloss / static_cast<float>(size);
    write(mode, a[i] > b[i] ? step : a[i] < b[i] ? -step : 0.0f, da + i);
  }
};

/// log(1 + exp(z)) without overflow.
__device__ inline double softplus(double z) { return log1p(exp(-fabs(z))) + (z > 0.0 ? z : 0.0); }

__device__ inline double sigmoid(double z) {
  const double e = exp(-fabs(z));
  return z > 0.0 ? 1.0 / (1.0 + e) : e / (1.0 + e);
}

// The two terms of the cross-entropy keep their own form: softplus(z) - label * z would cancel for a large logit.
struct Adversarial {
  AdversarialLoss kind;
  double label;
  const float* logits;
  __device__ double operator()(std::int64_t i) const {
    const double z = static_cast<double>(logits[i]);
    if (kind == AdversarialLoss::lsgan) return (z - label) * (z - label);
    return label * softplus(-z) + (1.0 - label) * softplus(z);
  }
};

struct AdversarialGradient {
  AdversarialLoss kind;
  double label;
  const float* logits;
  const float* dloss;
  std::int64_t size;
  WriteMode mode;
  float* dlogits;
  __device__ void operator()(std::int64_t i) const {
    const double step = static_cast<double>(*dloss) / static_cast<double>(size);
    const double z = static_cast<double>(logits[i]);
    const double slope =
        kind == AdversarialLoss::bce ? (1.0 - label) * sigmoid(z) - label * sigmoid(-z) : 2.0 * (z - label);
    write(mode, static_cast<float>(step * slope), dlogits + i);
  }
};

}  // namespace

void l1_forward(Stream& stream, View<const float> a, View<const float> b, View<float> loss) {
  mean_of(stream, a.size(), AbsoluteError{a.data, b.data}, loss);
}

void l1_backward(Stream& stream, View<const float> a, View<const float> b, View<const float> dloss, WriteMode mode,
                 View<float> da) {
  for_each(stream, a.size(), AbsoluteErrorGradient{a.data, b.data, dloss.data, a.size(), mode, da.data});
}

void adversarial_forward(Stream& stream, AdversarialLoss kind, float label, View<const float> logits,
                         View<float> loss) {
  mean_of(stream, logits.size(), Adversarial{kind, static_cast<double>(label), logits.data}, loss);
}

void adversarial_backward(Stream& stream, AdversarialLoss kind, float label, View<const float> logits,
                          View<const float> dloss, WriteMode mode, View<float> dlogits) {
  for_each(stream, logits.size(),
           AdversarialGradient{kind, static_cast<double>(label), logits.data, dloss.data, logits.size(), mode,
                               dlogits.data});
}

}  // namespace clade::kernels::cuda
