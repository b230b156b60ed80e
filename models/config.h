// SPDX-License-Identifier: Apache-2.0
// What a model and its training are made of; the part of a run that its result depends on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/stream.h"
#include "kernels/kernel_types.h"

namespace clade {

using kernels::AdversarialLoss;
using kernels::GradientForm;

enum class Norm {
  demod,    ///< weight demodulation (CLADE, Eq. 6)
  instance  ///< instance normalisation (conventional CycleGAN)
};

enum class Upsampling {
  transposed,  ///< 3x3 transposed convolutions, stride 2 (the paper's CycleGAN decoder)
  resize       ///< nearest x2, then a 3x3 convolution
};

/// Shape of a generator (contract of the network: encoder 7x7 and two strided 3x3, residual blocks, decoder).
struct GeneratorConfig {
  int base_channels = 64;
  int residual_blocks = 6;
  Norm norm = Norm::demod;
  Upsampling upsampling = Upsampling::resize;
  friend bool operator==(const GeneratorConfig&, const GeneratorConfig&) = default;
};

/// Weights of the loss terms (Eq. 8 plus the identity term).
struct LossConfig {
  AdversarialLoss adversarial = AdversarialLoss::lsgan;
  GradientForm gradient_form = GradientForm::separate;
  double lambda_cycle = 1.0;
  double lambda_identity = 1.0;
  double lambda_gradient = 5.0;
};

/// Learning rate of the paper, and for training on from a model.
inline constexpr double kPaperLearningRate = 2e-4;

/// Everything one training step depends on besides its patches.
struct TrainConfig {
  GeneratorConfig generator;
  LossConfig loss;
  /// The paper's 2e-4 drives full-size generators with random weights into saturation within 50 steps.
  double learning_rate = 5e-5;
  int batch = 1;
  double ema = 0.0;  ///< decay of the running average of the generators' weights that models hold, 0 = off
  double clip = 0.0;  ///< largest norm of the gradients of both generators, and of both discriminators, 0 = any
  int pool = 0;      ///< size of the pool of old fakes for the discriminators, 0 = off
  int patch = 32;
  std::uint64_t seed = 0;
  Precision precision = Precision::tf32;  ///< of convolutions on a CUDA device
};

const char* name(Norm norm);
const char* name(Upsampling upsampling);
const char* name(AdversarialLoss loss);
const char* name(GradientForm form);
const char* name(Precision precision);

/// Inverses of `name`. Throw Error(usage) for an unknown word.
Norm parse_norm(std::string_view word);
Upsampling parse_upsampling(std::string_view word);
AdversarialLoss parse_adversarial(std::string_view word);
GradientForm parse_gradient_form(std::string_view word);
Precision parse_precision(std::string_view word);

}  // namespace clade
