// SPDX-License-Identifier: Apache-2.0
// Gradients of tape ops against finite differences.
#pragma once

#include <cmath>
#include <functional>
#include <vector>

#include "core/philox.h"
#include "engine/ops.h"
#include "engine/tensor.h"
#include "tests/support/catch.h"

namespace clade::test {

/// Builds a value from inputs that are on the tape.
using Build = std::function<Var(Tape&, const std::vector<Var>&)>;

inline Tensor random_tensor(const Shape& shape, std::uint64_t stream, double deviation = 1.0) {
  Tensor tensor(Device{}, shape);
  RandomSequence random(1, RandomUse::test, stream);
  for (float& value : tensor.host()) value = static_cast<float>(deviation * random.next_normal());
  return tensor;
}

/// mean(z^2) of the built value in double: a smooth scalar, so that rounding of a float loss does not hide in it.
inline double head(const Build& build, const std::vector<Tensor>& inputs, Stream& stream) {
  Arena arena;
  Tape tape(stream, arena, Tape::Mode::forget);
  std::vector<Var> vars;
  for (const Tensor& input : inputs) vars.push_back(tape.constant(input.view()));
  const View<const float> value = tape.value(build(tape, vars));
  double sum = 0;
  for (std::int64_t i = 0; i < value.size(); ++i) sum += static_cast<double>(value[i]) * static_cast<double>(value[i]);
  return sum / static_cast<double>(value.size());
}

/// Compares d mean(z^2) / d input for every input with four-point differences along random directions. The differences
/// are good to about rounding / step = 1e-4 of the gradient's size; `tolerance` is relative to that size.
inline void check_gradients(const Build& build, std::vector<Tensor> inputs, double tolerance = 5e-3, double step = 1e-2) {
  ThreadPool pool(2);
  Stream stream(Device{}, pool);
  Arena arena;
  Tape tape(stream, arena);
  std::vector<Tensor> gradients;
  std::vector<Var> vars;
  for (const Tensor& input : inputs) gradients.emplace_back(Device{}, input.shape());
  for (std::size_t i = 0; i < inputs.size(); ++i) vars.push_back(tape.parameter(inputs[i].view(), gradients[i].view()));
  // lsgan against label 0 is mean(z^2).
  tape.backward(adversarial_mean(tape, build(tape, vars), kernels::AdversarialLoss::lsgan, 0.0f), vars);

  for (std::size_t i = 0; i < inputs.size(); ++i)
    for (std::uint64_t trial = 0; trial < 3; ++trial) {
      const Tensor direction = random_tensor(inputs[i].shape(), 100 * (i + 1) + trial);
      double analytic = 0, norm = 0, length = 0;
      for (std::size_t e = 0; e < direction.host().size(); ++e) {
        const auto g = static_cast<double>(gradients[i].host()[e]);
        const auto d = static_cast<double>(direction.host()[e]);
        analytic += g * d;
        norm += g * g;
        length += d * d;
      }
      const double scale = 1.0 / std::sqrt(length);
      const std::vector<float> original(inputs[i].host().begin(), inputs[i].host().end());
      const auto at = [&](double t) {
        for (std::size_t e = 0; e < original.size(); ++e)
          inputs[i].host()[e] = original[e] + static_cast<float>(t * scale * static_cast<double>(direction.host()[e]));
        const double value = head(build, inputs, stream);
        std::copy(original.begin(), original.end(), inputs[i].host().begin());
        return value;
      };
      const double numeric = (8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step);
      INFO("input " << i << ", direction " << trial << ": analytic " << analytic * scale << ", numeric " << numeric);
      CHECK(norm > 0);
      CHECK(std::abs(numeric - analytic * scale) <= tolerance * std::max(std::sqrt(norm), 1e-6));
    }
}

}  // namespace clade::test
