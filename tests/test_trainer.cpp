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

std::vector<float> trained_weights(const Trainer& trainer) { return trainer.state().tensors.at(kTensor).values(); }
std::vector<float> model_weights(const Trainer& trainer) { return trainer.weights().at(kTensor).values(); }

}  // namespace

TEST_CASE("models hold the moving average of the generators' weights, training does not see it", "[trainer]") {
  ON_EVERY_DEVICE(stream);
  constexpr double kDecay = 0.25;  // reached at step 2
  Trainer plain(tiny_config(0.0), stream), averaging(tiny_config(kDecay), stream);
  const std::vector<float> start = model_weights(averaging);
  std::vector<double> expected(start.begin(), start.end());
  for (int step = 1; step <= 4; ++step) {
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
