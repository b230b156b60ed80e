// SPDX-License-Identifier: Apache-2.0
// Weight demodulation, Eq. 6 of the CLADE paper, per output channel as in Karras et al., "Analyzing and improving the
// image quality of StyleGAN", 2020: a layer sees w / sqrt(sum w^2 + 1e-8), the sum over all but the output dimension.
#pragma once

#include <vector>

#include "engine/optimizer.h"
#include "models/generator.h"

namespace clade {

/// The factors 1 / sqrt(sum w^2 + 1e-8) of the demodulated weights of a block. Convolutions multiply their outputs by
/// them, so that there is no second copy of the weights; the gradients that they give take the factors for constants and
/// are completed here. Nothing of this does anything for parameters that are not demodulated.
class DemodulationScales {
 public:
  DemodulationScales(Stream& stream, const Generator& generator, const ParameterBlock& block);

  /// For every parameter its scales [nets, channels], empty where it is not demodulated.
  const std::vector<View<const float>>& views() const { return views_; }
  /// Needed whenever the block's weights were changed from outside.
  void refresh(Stream& stream, const ParameterBlock& block);
  /// Completes gradients, laid out like the block.
  void pull_back(Stream& stream, Tensor& gradients, const ParameterBlock& block) const;
  /// Completes gradients, makes one step of Adam on the block's weights and refreshes, in one pass.
  void update(Stream& stream, View<const kernels::StepControl> control, const Tensor& gradients, Adam& adam,
              ParameterBlock& block);
  /// The same for parameter number `i`.
  void update(Stream& stream, View<const kernels::StepControl> control, std::size_t i, View<const float> gradient,
              Adam& adam, ParameterBlock& block);

 private:
  std::vector<kernels::ParameterSegment> segments_;
  Tensor scales_;
  std::vector<View<const float>> views_;
};

}  // namespace clade
