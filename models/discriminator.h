// SPDX-License-Identifier: Apache-2.0
// The 70x70 PatchGAN discriminator (Isola et al. 2017) with instance norm.
#pragma once

#include <vector>

#include "engine/ops.h"
#include "models/parameters.h"

namespace clade {

/// One or several discriminators of equal shape that run in the same calls. Five 4x4 convolutions, zero padding 1;
/// strides 2, 2, 2, 1, 1; instance norm on layers 1 to 3; leaky ReLU 0.2 on all but the last.
class Discriminator {
 public:
  /// Channels base, 2 base, 4 base, 8 base, 1; declares its parameters in `block`.
  Discriminator(int base_channels, ParameterBlock& block);

  /// `weights` are the bound parameters of the block. [nets, n, h, w, 1] to logits [nets, n, h', w', 1]; 32 x 32 gives
  /// 2 x 2. h and w at least 24.
  Var forward(Tape& tape, const std::vector<Var>& weights, Var x) const;
};

}  // namespace clade
