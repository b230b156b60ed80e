// SPDX-License-Identifier: Apache-2.0
// WDSR-B (Yu et al., "Wide activation for efficient and accurate image super-resolution", 2018) with one channel in and
// out, and more samples along one axis only, as SMORE uses it.
#pragma once

#include <vector>

#include "models/parameters.h"

namespace clade {

struct WdsrConfig {
  int channels = 32;
  int blocks = 16;
  int factor = 1;  ///< samples out for one in, along the last axis of the image
};

/// 3x3 head; blocks of 1x1 to 4 times the channels, ReLU, 1x1 to 0.8 times the channels, 3x3 back, and a skip; 3x3 tail
/// to `factor` channels, which are neighbours along a line: the pixel shuffle costs nothing in NHWC. Zero padding.
class Wdsr {
 public:
  /// Declares the parameters in `block`, which holds one net and is not allocated yet.
  Wdsr(const WdsrConfig& config, ParameterBlock& block);

  const WdsrConfig& config() const { return config_; }

  /// Weights and biases uniform within 1 / sqrt(fan in), PyTorch's default.
  void initialise(Stream& stream, ParameterBlock& block, std::uint64_t seed) const;

  /// x [1, n, h, w, 1] to [1, n, h, w, factor], which is [n, h, w * factor] in memory. `weights` are the block's.
  Var forward(Tape& tape, const std::vector<Var>& weights, Var x) const;

  /// The same without a tape, in memory of a few layers: x [n, h, w] to y [n, h, w * factor].
  void apply(Stream& stream, Arena& arena, const ParameterBlock& block, View<const float> x, View<float> y) const;

 private:
  Var head(Tape& tape, const std::vector<Var>& weights, Var x) const;
  Var residual(Tape& tape, const std::vector<Var>& weights, int index, Var x) const;
  Var tail(Tape& tape, const std::vector<Var>& weights, Var x) const;

  WdsrConfig config_;
};

}  // namespace clade
