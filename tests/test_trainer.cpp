// SPDX-License-Identifier: Apache-2.0
#include "models/trainer.h"

#include "tests/support/backend.h"
#include "tests/support/compare.h"
#include "tests/support/random_data.h"

using namespace clade;
using namespace clade::test;

namespace {

TrainConfig tiny_config(double ema) {
  TrainConfig config;
  config.generator.base_channels = 2;
  config.generator.residual_blocks = 1;
  config.ema = ema;
  config.seed = 3;
  return config;
}

const std::string kTensor = "generator_x.residual.0.conv1.weight";

std::vector<float> trained_weights(const Trainer& trainer) { return load(trainer.state().tensors.at(kTensor)).values; }
std::vector<float> model_weights(const Trainer& trainer) { return load(trainer.weights().at(kTensor)).values; }

}  // namespace

TEST_CASE("models hold the moving average of the generators' weights, training does not see it", "[trainer]") {
  ON_EVERY_DEVICE(stream);
  constexpr double kDecay = 0.25;  // reached at step 2
  Trainer plain(tiny_config(0.0), stream), averaging(tiny_config(kDecay), stream);
  const std::vector<float> start = model_weights(averaging);
  std::vector<double> expected(start.begin(), start.end());
  for (int step = 1; step <= 3; ++step) {
    const auto seed = static_cast<unsigned>(step);
    const std::vector<float> x = normal_values(32 * 32, seed), y = normal_values(32 * 32, 100 + seed);
    plain.step(x, y);
    averaging.step(x, y);
    const std::vector<float> w = trained_weights(averaging);
    const double decay = std::min(kDecay, (1.0 + step) / (10.0 + step));
    for (std::size_t i = 0; i < w.size(); ++i) expected[i] = decay * expected[i] + (1.0 - decay) * w[i];
  }
  CHECK(same_bits(trained_weights(averaging), trained_weights(plain)));
  CHECK(same_bits(model_weights(plain), trained_weights(plain)));
  CHECK_FALSE(same_bits(model_weights(averaging), trained_weights(averaging)));
  CHECK(relative_error(model_weights(averaging), expected) < 8.0 * kEpsilon);

  // It goes on from a state, and starts anew from weights.
  Trainer resumed(tiny_config(kDecay), stream);
  resumed.load_state(load(averaging.state()));
  CHECK(same_bits(model_weights(resumed), model_weights(averaging)));
  Trainer other(tiny_config(kDecay), stream);
  other.load_weights(load(plain.weights()));
  CHECK(same_bits(model_weights(other), model_weights(plain)));
}

TEST_CASE("clipping bounds the gradients of each optimiser, in the weights themselves", "[trainer][clipping]") {
  ON_EVERY_DEVICE(stream);
  const Norm norm = GENERATE(Norm::demod, Norm::instance);
  TrainConfig config = tiny_config(0.0);
  config.generator.norm = norm;
  config.precision = Precision::fp32;
  const std::vector<float> x = normal_values(32 * 32, 1), y = normal_values(32 * 32, 2);
  Trainer plain(config, stream);
  const auto gradients = plain.gradients(x, y);
  const auto norm_of = [&](const std::string& network) {
    double squares = 0.0;
    for (const auto& [name, tensor] : gradients)
      if (name.starts_with(network))
        for (const float value : tensor.values) squares += static_cast<double>(value) * value;
    return std::sqrt(squares);
  };
  const double of_generators = norm_of("generator"), of_discriminators = norm_of("discriminator");
  // Between the two norms, so that one optimiser is clipped and the other is not.
  config.clip = std::sqrt(of_generators * of_discriminators);
  REQUIRE(std::max(of_generators, of_discriminators) > 1.05 * config.clip);
  Trainer clipping(config, stream);
  clipping.step(x, y);
  const auto state = clipping.state();
  for (const auto& [name, tensor] : gradients) {
    INFO(name);
    const double length = name.starts_with("generator") ? of_generators : of_discriminators;
    // The first step leaves (1 - beta1) of the gradient in the first moment.
    const double share = 0.5 * std::min(1.0, config.clip / length);
    std::vector<double> expected(tensor.values.begin(), tensor.values.end());
    for (double& value : expected) value *= share;
    // Gradients that an instance norm takes away are rounding errors, and so are their differences.
    const std::vector<float> moment = load(state.tensors.at(name + ".exp_avg")).values;
    double largest = 0.0;
    for (std::size_t i = 0; i < moment.size(); ++i) largest = std::max(largest, std::abs(moment[i] - expected[i]));
    CHECK(largest < 1e-5 * length);
  }

  // A bound that nothing reaches changes the order of a few operations, no more.
  config.clip = 1e6;
  Trainer unbounded(config, stream);
  for (int step = 0; step < 2; ++step) {
    plain.step(x, y);
    unbounded.step(x, y);
  }
  const std::vector<float> expected = trained_weights(plain);
  CHECK(relative_error(trained_weights(unbounded), std::vector<double>(expected.begin(), expected.end())) < 1e-5);
}
