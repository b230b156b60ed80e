// SPDX-License-Identifier: Apache-2.0
#include "models/generator.h"

namespace clade {

Generator::Generator(const GeneratorConfig& config, ParameterBlock& block) : config_(config) {
  const int c = config.base_channels;
  const auto direct = [&](const std::string& name, int in, int out, int k, int stride, PadMode pad_mode, Activation act,
                          bool normalised) {
    block.declare(name, out, k, in, out);
    layers_.push_back({{ConvKind::direct, stride, k / 2, pad_mode, 0}, act, normalised, OutputDimension::first});
  };
  const auto upsample = [&](const std::string& name, int in, int out) {
    if (config.upsampling == Upsampling::transposed) {
      block.declare(name, in, 3, out, out);
      layers_.push_back({{ConvKind::transposed, 2, 1, PadMode::zero, 1}, Activation::relu, true, OutputDimension::last});
    } else {
      block.declare(name, out, 3, in, out);
      layers_.push_back({{ConvKind::resize, 1, 1, PadMode::reflect, 0}, Activation::relu, true, OutputDimension::first});
    }
  };

  direct("encoder.0", 1, c, 7, 1, PadMode::reflect, Activation::relu, true);
  direct("encoder.1", c, 2 * c, 3, 2, PadMode::zero, Activation::relu, true);
  direct("encoder.2", 2 * c, 4 * c, 3, 2, PadMode::zero, Activation::relu, true);
  for (int i = 0; i < config.residual_blocks; ++i) {
    const std::string name = str("residual.", i);
    direct(name + ".conv1", 4 * c, 4 * c, 3, 1, PadMode::reflect, Activation::relu, true);
    direct(name + ".conv2", 4 * c, 4 * c, 3, 1, PadMode::reflect, Activation::none, true);
  }
  upsample("decoder.0", 4 * c, 2 * c);
  upsample("decoder.1", 2 * c, c);
  direct("decoder.2", c, 1, 7, 1, PadMode::reflect, Activation::tanh, false);
}

std::optional<OutputDimension> Generator::demodulated(std::size_t index) const {
  const Layer& layer = layers_[index / 2];
  const bool is_weight = index % 2 == 0;
  if (config_.norm != Norm::demod || !is_weight || !layer.normalised) return std::nullopt;
  return layer.dimension;
}

Var Generator::apply(Tape& tape, const Weights& weights, std::size_t layer, Var x, Var residual) const {
  const Layer& l = layers_[layer];
  const Var w = weights.parameters[2 * layer];
  const Var bias = weights.parameters[2 * layer + 1];
  if (l.normalised && config_.norm == Norm::instance) {
    const Var y = instance_norm(tape, conv2d(tape, x, w, bias, l.geometry, Activation::none), l.activation);
    return residual ? add(tape, residual, y) : y;
  }
  return conv2d(tape, x, w, bias, l.geometry, l.activation, weights.scales[2 * layer], residual);
}

Var Generator::forward(Tape& tape, const Weights& weights, Var x) const {
  const Shape& shape = tape.shape(x);
  CLADE_CHECK(shape.rank() == 5 && shape[2] >= 8 && shape[3] >= 8 && shape[2] % 4 == 0 && shape[3] % 4 == 0 &&
                  shape[4] == 1,
              ErrorCode::usage, "a generator takes one-channel patches with sides that are multiples of 4 from 8 on, got ",
              shape);
  std::size_t layer = 0;
  while (layer < 3) x = apply(tape, weights, layer++, x);
  for (int block = 0; block < config_.residual_blocks; ++block) {
    const Var inner = apply(tape, weights, layer, x);
    x = apply(tape, weights, layer + 1, inner, x);
    layer += 2;
  }
  while (layer < layers_.size()) x = apply(tape, weights, layer++, x);
  return x;
}

}  // namespace clade
