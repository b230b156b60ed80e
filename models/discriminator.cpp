// SPDX-License-Identifier: Apache-2.0
#include "models/discriminator.h"

#include <array>

namespace clade {

namespace {
constexpr int kLayers = 5;
constexpr std::array<int, kLayers> kStride{2, 2, 2, 1, 1};
constexpr int kKernel = 4;
}  // namespace

Discriminator::Discriminator(int base_channels, ParameterBlock& block) {
  const int c = base_channels;
  const std::array<int, kLayers + 1> channels{1, c, 2 * c, 4 * c, 8 * c, 1};
  for (int i = 0; i < kLayers; ++i) {
    const auto layer = static_cast<std::size_t>(i);
    block.declare(str("layers.", i), channels[layer + 1], kKernel, channels[layer], channels[layer + 1]);
  }
}

Var Discriminator::forward(Tape& tape, const std::vector<Var>& weights, Var x) const {
  for (std::size_t layer = 0; layer < kLayers; ++layer) {
    const bool normalised = layer >= 1 && layer <= 3;
    const ConvGeometry geometry{ConvKind::direct, kStride[layer], 1, PadMode::zero, 0};
    const Activation activation = layer == 0 ? Activation::leaky_relu : Activation::none;
    x = conv2d(tape, x, weights[2 * layer], weights[2 * layer + 1], geometry, activation);
    if (normalised) x = instance_norm(tape, x, Activation::leaky_relu);
  }
  return x;
}

}  // namespace clade
