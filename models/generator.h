// SPDX-License-Identifier: Apache-2.0
// The generator: encoder, residual blocks, decoder (Johnson et al. 2016, as in Zhu et al. 2017), with weight
// demodulation in place of instance norm for CLADE.
#pragma once

#include <optional>
#include <vector>

#include "engine/ops.h"
#include "models/config.h"
#include "models/parameters.h"

namespace clade {

/// One or several generators of equal shape that run in the same calls.
class Generator {
 public:
  /// Declares its parameters in `block` (7x7 at both ends, 3x3 between).
  Generator(const GeneratorConfig& config, ParameterBlock& block);

  const GeneratorConfig& config() const { return config_; }

  /// Parameters on a tape, weight, bias, weight, bias, ..., and the scales of those that are demodulated
  /// (DemodulationScales::views), for any number of forward passes.
  struct Weights {
    std::vector<Var> parameters;
    std::span<const View<const float>> scales;
  };

  /// The output dimension of parameter number `index` of the block if it is demodulated.
  std::optional<OutputDimension> demodulated(std::size_t index) const;

  /// [nets, n, h, w, 1] to the same shape; h and w multiples of 4, at least 8.
  Var forward(Tape& tape, const Weights& weights, Var x) const;

 private:
  struct Layer {
    ConvGeometry geometry;
    Activation activation;
    bool normalised;  ///< all but the last
    OutputDimension dimension;
  };

  Var apply(Tape& tape, const Weights& weights, std::size_t layer, Var x, Var residual = {}) const;

  GeneratorConfig config_;
  std::vector<Layer> layers_;
};

}  // namespace clade
