// SPDX-License-Identifier: Apache-2.0
// Small types that kernels take by value.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/host_device.h"

namespace clade::kernels {

enum class Activation { none, relu, leaky_relu, tanh };

/// Slope of leaky_relu for negative values (CycleGAN discriminator, Zhu et al. 2017).
inline constexpr float kLeakySlope = 0.2f;

/// What a kernel does to the values that its output already holds.
enum class WriteMode { overwrite, accumulate };

/// Which dimension of a weight [nets, d0, kh, kw, d1] counts the output channels.
enum class OutputDimension { first, last };

enum class AdversarialLoss {
  bce,   ///< binary cross-entropy on logits
  lsgan  ///< squared distance to the label
};

enum class GradientForm {
  combined,  ///< mean |(Sx r - Sx y) + (Sy r - Sy y)|, Eq. 7 as printed
  separate   ///< mean |Sx r - Sx y| + mean |Sy r - Sy y|
};

/// Adam (Kingma and Ba 2015).
struct AdamParameters {
  float learning_rate = 2e-4f;
  float beta1 = 0.5f;
  float beta2 = 0.999f;
  float epsilon = 1e-8f;
};

/// What changes from step to step. It lives on the device, so that the very same kernels, with the very same arguments,
/// make every step of a training.
struct StepControl {
  std::int64_t step = 0;    ///< steps done, the running one included once its losses are known to be finite
  std::int64_t pair = 0;    ///< pairs of the data set used so far
  std::int32_t row = 0;     ///< rows of losses written
  std::int32_t finite = 1;  ///< 0 from the first step on whose losses are not all finite: nothing is updated any more
};

/// The share of an average that one more step keeps; see average_weights.
CLADE_HOST_DEVICE inline float average_decay(float decay, std::int64_t step) {
  const float young = static_cast<float>(1 + step) / static_cast<float>(10 + step);
  return young < decay ? young : decay;
}

/// What clip_norm multiplies a gradient by. A norm that is not a number clips nothing: what is wrong must stay visible.
CLADE_HOST_DEVICE inline float clip_factor(double sum_of_squares, float most) {
  const double norm = std::sqrt(sum_of_squares), limit = static_cast<double>(most);
  return norm > limit ? static_cast<float>(limit / (norm + 1e-6)) : 1.0f;
}

/// Values of one element each, by address on the device.
struct ScalarList {
  static constexpr int kMaximum = 16;
  const float* values[kMaximum] = {};
  int count = 0;
};

/// A weight or a bias in a flat block of parameters.
struct ParameterSegment {
  std::int64_t offset = 0;  ///< of its first value in the block; the nets follow each other
  std::int64_t scale = 0;   ///< of its first demodulation scale [nets, channels] in the block of scales
  std::int32_t nets = 1;
  std::int32_t channels = 1;  ///< output channels of one net
  std::int32_t fan = 1;       ///< values of one output channel
  OutputDimension dimension = OutputDimension::first;
  bool demodulated = false;
};

/// A pool of old images: capacity and the random numbers that decide (RandomUse::pool).
struct PoolRule {
  std::int32_t capacity = 0;
  std::uint64_t seed = 0;
};

/// Where the patches of a slice sit: rows[i] x columns[j], patch index i * column_count + j. On the stream's device.
struct TilePositions {
  const std::int32_t* rows = nullptr;
  const std::int32_t* columns = nullptr;
  int row_count = 0;
  int column_count = 0;
};

}  // namespace clade::kernels
