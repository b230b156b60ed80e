// SPDX-License-Identifier: Apache-2.0
// Gradients of tape ops against finite differences.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "core/philox.h"
#include "engine/ops.h"
#include "engine/tensor.h"
#include "tests/support/backend.h"

namespace clade::test {

/// Builds a value from inputs that are on the tape.
using Build = std::function<Var(Tape&, const std::vector<Var>&)>;

inline std::vector<float> random_values(std::int64_t size, std::uint64_t index, double deviation = 1.0) {
  std::vector<float> values(static_cast<std::size_t>(size));
  RandomSequence random(1, RandomUse::test, index);
  for (float& value : values) value = static_cast<float>(deviation * random.next_normal());
  return values;
}

inline Tensor random_tensor(Stream& stream, const Shape& shape, std::uint64_t index, double deviation = 1.0) {
  return {stream, shape, random_values(shape.size(), index, deviation)};
}

/// mean(z^2) of the built value in double: a smooth scalar, so that rounding of a float loss does not hide in it.
inline double head(Stream& stream, Arena& arena, const Build& build, const std::vector<Tensor>& inputs) {
  arena.reset();
  Tape tape(stream, arena, Tape::Mode::forget);
  std::vector<Var> vars;
  for (const Tensor& input : inputs) vars.push_back(tape.constant(input.view()));
  const std::vector<float> values = values_of(stream, tape.value(build(tape, vars)));
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * static_cast<double>(value);
  return sum / static_cast<double>(values.size());
}

/// Compares d mean(z^2) / d input for every input with four-point differences along random directions. The differences
/// are good to about rounding / step = 1e-4 of the gradient's size; `tolerance` is relative to that size.
inline void check_gradients(Stream& stream, const Build& build, std::vector<Tensor> inputs, double tolerance = 5e-3,
                            double step = 1e-2) {
  Arena arena(stream.device()), scratch(stream.device());
  Tape tape(stream, arena);
  std::vector<Tensor> gradients;
  std::vector<Var> vars;
  for (const Tensor& input : inputs) gradients.emplace_back(stream, input.shape());
  for (std::size_t i = 0; i < inputs.size(); ++i) vars.push_back(tape.parameter(inputs[i].view(), gradients[i].view()));
  // lsgan against label 0 is mean(z^2).
  tape.backward(adversarial_mean(tape, build(tape, vars), kernels::AdversarialLoss::lsgan, 0.0f), vars);

  const std::uint64_t trials = kEmulated && !stream.device().is_cpu() ? 1 : 3;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const std::vector<float> original = inputs[i].values(stream), gradient = gradients[i].values(stream);
    for (std::uint64_t trial = 0; trial < trials; ++trial) {
      const std::vector<float> direction = random_values(inputs[i].size(), 100 * (i + 1) + trial);
      double analytic = 0, norm = 0, length = 0;
      for (std::size_t e = 0; e < direction.size(); ++e) {
        const auto g = static_cast<double>(gradient[e]), d = static_cast<double>(direction[e]);
        analytic += g * d;
        norm += g * g;
        length += d * d;
      }
      const double scale = 1.0 / std::sqrt(length);
      const auto at = [&](double t) {
        std::vector<float> moved = original;
        for (std::size_t e = 0; e < moved.size(); ++e)
          moved[e] += static_cast<float>(t * scale * static_cast<double>(direction[e]));
        inputs[i].assign(stream, moved);
        return head(stream, scratch, build, inputs);
      };
      const double numeric = (8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step);
      inputs[i].assign(stream, original);
      INFO("input " << i << ", direction " << trial << ": analytic " << analytic * scale << ", numeric " << numeric);
      CHECK(norm > 0);
      CHECK(std::abs(numeric - analytic * scale) <= tolerance * std::max(std::sqrt(norm), 1e-6));
    }
  }
}

}  // namespace clade::test
