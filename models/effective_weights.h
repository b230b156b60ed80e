// SPDX-License-Identifier: Apache-2.0
// The weights that the convolutions of demodulated generators see.
#pragma once

#include <utility>
#include <vector>

#include "engine/optimizer.h"
#include "models/generator.h"

namespace clade {

/// Demodulated copies of the weights of a block (and plain copies of its other parameters), kept from step to step:
/// gradients are taken in them, and one pass over the weights pulls the gradient back, makes the Adam step and
/// demodulates anew.
class EffectiveWeights {
 public:
  EffectiveWeights(Stream& stream, const Generator& generator, const ParameterBlock& block);

  /// Laid out like the block.
  const Tensor& values() const& { return values_; }
  Tensor values() && { return std::move(values_); }
  /// Demodulates the block's weights. Needed whenever they were changed from outside.
  void refresh(Stream& stream, const ParameterBlock& block);
  /// Makes of a gradient in values() the gradient in the block's weights.
  void pull_back(Stream& stream, Tensor& gradients, const ParameterBlock& block);
  /// One update of the block's weights by the gradient in values().
  void update(Stream& stream, View<const kernels::StepControl> control, const Tensor& gradients, Adam& adam,
              ParameterBlock& block);
  /// The same for parameter number `i`.
  void update(Stream& stream, View<const kernels::StepControl> control, std::size_t i, View<const float> gradient,
              Adam& adam, ParameterBlock& block);

 private:
  std::vector<kernels::ParameterSegment> segments_;
  Tensor values_;
  Tensor scales_;
};

}  // namespace clade
