// SPDX-License-Identifier: Apache-2.0
// Small types that kernels take by value.
#pragma once

#include <cstdint>

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

/// Adam (Kingma and Ba 2015); `step` counts from 1.
struct AdamParameters {
  float learning_rate = 2e-4f;
  float beta1 = 0.5f;
  float beta2 = 0.999f;
  float epsilon = 1e-8f;
  std::int64_t step = 1;
};

/// Where the patches of a slice sit: rows[i] x columns[j], patch index i * column_count + j.
struct TilePositions {
  const std::int32_t* rows = nullptr;
  const std::int32_t* columns = nullptr;
  int row_count = 0;
  int column_count = 0;
};

}  // namespace clade::kernels
