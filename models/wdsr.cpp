// SPDX-License-Identifier: Apache-2.0
#include "models/wdsr.h"

#include <cmath>

#include "core/philox.h"
#include "engine/ops.h"

namespace clade {

namespace {

// Layers before the blocks and in each of them; a layer has two parameters.
constexpr int kHeadLayers = 1;
constexpr int kBlockLayers = 3;

// Convolution number `index`, which keeps the size of the image, and what is added to it.
Var layer(Tape& tape, const std::vector<Var>& weights, int index, Var x, Activation activation, Var residual = {}) {
  const auto first = 2 * static_cast<std::size_t>(index);
  const Var weight = weights[first];
  const int k = static_cast<int>(tape.shape(weight)[2]);
  return conv2d(tape, x, weight, weights[first + 1], {ConvKind::direct, 1, k / 2, PadMode::zero, 0}, activation, {},
                residual);
}

}  // namespace

Wdsr::Wdsr(const WdsrConfig& config, ParameterBlock& block) : config_(config) {
  const int c = config.channels, wide = 4 * c, narrow = 4 * c / 5;
  block.declare("head", c, 3, 1, c);
  for (int i = 0; i < config.blocks; ++i) {
    const std::string name = str("blocks.", i);
    block.declare(name + ".expand", wide, 1, c, wide);
    block.declare(name + ".reduce", narrow, 1, wide, narrow);
    block.declare(name + ".conv", c, 3, narrow, c);
  }
  block.declare("tail", config.factor, 3, c, config.factor);
}

void Wdsr::initialise(Stream& stream, ParameterBlock& block, std::uint64_t seed) const {
  std::vector<float> values(static_cast<std::size_t>(block.size()));
  double bound = 0.0;
  std::uint64_t sequence = 0;
  for (const Parameter& parameter : block.parameters()) {
    const Shape& s = parameter.shape;
    // A bias follows its weight and has the same bound.
    if (s.rank() == 5) bound = 1.0 / std::sqrt(static_cast<double>(s[2] * s[3] * s[4]));
    RandomSequence random(seed, RandomUse::weights, sequence++);
    for (std::int64_t i = 0; i < s.size(); ++i)
      values[static_cast<std::size_t>(parameter.offset + i)] =
          static_cast<float>(bound * (2.0 * random.next_uniform() - 1.0));
  }
  block.values().assign(stream, values);
}

Var Wdsr::head(Tape& tape, const std::vector<Var>& weights, Var x) const {
  return layer(tape, weights, 0, x, Activation::none);
}

Var Wdsr::residual(Tape& tape, const std::vector<Var>& weights, int index, Var x) const {
  const int first = kHeadLayers + kBlockLayers * index;
  const Var wide = layer(tape, weights, first, x, Activation::relu);
  const Var narrow = layer(tape, weights, first + 1, wide, Activation::none);
  return layer(tape, weights, first + 2, narrow, Activation::none, x);
}

Var Wdsr::tail(Tape& tape, const std::vector<Var>& weights, Var x) const {
  return layer(tape, weights, kHeadLayers + kBlockLayers * config_.blocks, x, Activation::none);
}

Var Wdsr::forward(Tape& tape, const std::vector<Var>& weights, Var x) const {
  x = head(tape, weights, x);
  for (int i = 0; i < config_.blocks; ++i) x = residual(tape, weights, i, x);
  return tail(tape, weights, x);
}

void Wdsr::apply(Stream& stream, Arena& arena, const ParameterBlock& block, View<const float> x, View<float> y) const {
  const ArenaScope whole(arena);
  const Shape& s = x.shape;
  const View<float> state = arena.view<float>({1, s[0], s[1], s[2], config_.channels});
  // Every stage leaves its result in `state` or y and gives its memory back.
  const auto stage = [&](View<const float> in, View<float> out, const auto& run) {
    const ArenaScope scope(arena);
    Tape tape(stream, arena, Tape::Mode::forget);
    const std::vector<Var> weights = block.bind_constants(tape, block.values());
    const View<const float> result = tape.value(run(tape, weights, tape.constant(in)));
    stream.copy_on_device(out.data, result.data, static_cast<std::size_t>(result.size()) * sizeof(float));
  };
  stage({x.data, {1, s[0], s[1], s[2], 1}}, state,
        [&](Tape& tape, const std::vector<Var>& weights, Var in) { return head(tape, weights, in); });
  for (int i = 0; i < config_.blocks; ++i)
    stage(state, state,
          [&](Tape& tape, const std::vector<Var>& weights, Var in) { return residual(tape, weights, i, in); });
  stage(state, y, [&](Tape& tape, const std::vector<Var>& weights, Var in) { return tail(tape, weights, in); });
}

}  // namespace clade
