// SPDX-License-Identifier: Apache-2.0
// Networks and training steps against an independent float64 implementation (tests/golden/README.md).
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <random>
#include <span>

#include <nlohmann/json.hpp>

#include "models/discriminator.h"
#include "models/generator.h"
#include "models/model.h"
#include "models/trainer.h"
#include "tests/support/backend.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"

using namespace clade;
using test::relative_distance;

namespace {

// A program that was built elsewhere is told where they are.
std::string golden_folder() {
  const char* variable = std::getenv("CLADE_GOLDEN_DIR");
  return variable ? variable : CLADE_GOLDEN_DIR;
}
const std::string kFolder = golden_folder();

// How far TF32 may take a result: factors are rounded to 2^-11 in a dozen layers one behind the other.
constexpr double kTf32 = 5e-3;
double looser(Precision precision, double tolerance) { return precision == Precision::tf32 ? kTf32 : tolerance; }

// Parameters in front of an instance norm have a true gradient of 0: what is computed for them is rounding.
bool has_no_gradient(const std::string& name, Norm norm) {
  if (!name.ends_with(".bias")) return false;
  for (const char* layer : {"layers.1.", "layers.2.", "layers.3."})
    if (name.starts_with("discriminator") && name.find(layer) != std::string::npos) return true;
  return norm == Norm::instance && name.starts_with("generator") && name.find("decoder.2.") == std::string::npos;
}

// How far a step's gradients go, generators and discriminators apart, when weights and images change by what TF32 rounds
// off: the largest distance of a parameter over some random changes. Instance norm over four pixels divides by small
// deviations, and signs in the losses and slopes of ReLU flip where a value is as small as its error, so that a
// rounding of 5e-4 moves some gradients by as much as a tenth.
struct Conditioning {
  double generator = 0, discriminator = 0;
};
Conditioning conditioning(TrainConfig config, const TensorFile& init, std::span<const float> x,
                          std::span<const float> y, const TensorFile& expected) {
  Conditioning worst;
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<float> rounding(1 - 0x1p-11f, 1 + 0x1p-11f);
    const auto perturbed = [&](std::span<const float> values) {
      std::vector<float> result(values.begin(), values.end());
      for (float& value : result) value *= rounding(random);
      return result;
    };
    TensorFile changed = init;
    for (auto& [key, tensor] : changed.tensors) tensor.values = perturbed(tensor.values);
    test::TestStream cpu(Device{});
    config.precision = Precision::fp32;
    Trainer trainer(config, cpu.stream);
    trainer.load_weights(changed.tensors);
    for (const auto& [key, tensor] : trainer.gradients(perturbed(x), perturbed(y))) {
      if (has_no_gradient(key, config.generator.norm)) continue;
      double& distance = key.starts_with("generator") ? worst.generator : worst.discriminator;
      distance = std::max(distance, relative_distance(tensor.values, expected.at(key).values));
    }
  }
  return worst;
}

}  // namespace

TEST_CASE("goldens: outputs of the networks", "[golden]") {
  IN_EVERY_PRECISION(stream);
  const TensorFile init = read_safetensors(kFolder + "/init.safetensors");
  const TensorFile patches = read_safetensors(kFolder + "/patches.safetensors");
  const TensorFile forward = read_safetensors(kFolder + "/forward.safetensors");

  for (Norm norm : {Norm::demod, Norm::instance})
    for (const std::string net : {"generator_x", "generator_y"}) {
      TensorFile only;
      for (const auto& [key, tensor] : init.tensors)
        if (key.starts_with(net)) only.tensors["generator_x" + key.substr(net.size())] = tensor;
      SuperResolver model(only, norm, stream);
      CHECK(model.config().base_channels == 8);
      CHECK(model.config().residual_blocks == 2);
      CHECK(model.config().upsampling == Upsampling::transposed);
      const std::string domain = net == "generator_x" ? "x" : "y";
      const std::vector<float>& input = patches.at(domain).values;
      // An emulated device is slow: two patches go through the same kernels as twelve.
      const int count = test::kEmulated && !stream.device().is_cpu() ? 2 : 12;
      const std::size_t values = static_cast<std::size_t>(count) * 1024;
      std::vector<float> output(values);
      model.apply(std::span(input).first(values), count, 32, 32, output);
      const std::string key = str(name(norm), ".reflect.", net, "(", domain, ")");
      INFO(key);
      CHECK(relative_distance(output, std::span(forward.at(key).values).first(values)) <
            looser(stream.precision(), 1e-5));
    }

  // discriminator_x on x and discriminator_y on y, as the two nets of one call.
  ParameterBlock block({"discriminator_x", "discriminator_y"});
  const Discriminator discriminator(8, block);
  block.allocate(stream);
  block.import_from(stream, init.tensors, block.values(), "", true);
  std::vector<float> images = patches.at("x").values;
  images.insert(images.end(), patches.at("y").values.begin(), patches.at("y").values.end());
  const Tensor input(stream, {2, 12, 32, 32, 1}, images);
  Arena arena(stream.device());
  Tape tape(stream, arena, Tape::Mode::forget);
  const View<const float> output =
      tape.value(discriminator.forward(tape, block.bind_constants(tape, block.values()), tape.constant(input.view())));
  REQUIRE(output.shape == Shape{2, 12, 2, 2, 1});
  std::vector<float> logits(static_cast<std::size_t>(output.size()));
  stream.copy_to_host(logits.data(), output.data, logits.size() * sizeof(float));
  const std::size_t half = logits.size() / 2;
  const std::span all(logits);
  CHECK(relative_distance(all.first(half), forward.at("demod.reflect.discriminator_x(x)").values) <
        looser(stream.precision(), 2e-5));
  CHECK(relative_distance(all.last(half), forward.at("demod.reflect.discriminator_y(y)").values) <
        looser(stream.precision(), 2e-5));
}

TEST_CASE("goldens: three training steps", "[golden]") {
  struct Case {
    const char* file;
    Norm norm;
    int batch;
  };
  const TensorFile init = read_safetensors(kFolder + "/init.safetensors");
  const TensorFile patches = read_safetensors(kFolder + "/patches.safetensors");
  IN_EVERY_PRECISION(stream);
  const Precision precision = stream.precision();
  for (const Case& c : {Case{"train_demod_bce_b1", Norm::demod, 1}, Case{"train_instance_bce_b4", Norm::instance, 4}}) {
    INFO(c.file);
    TrainConfig config;
    config.precision = precision;
    config.generator = generator_config(init.tensors, "generator_x", c.norm);
    config.loss = {AdversarialLoss::bce, GradientForm::combined, 1.0, 1.0, 5.0};
    config.batch = c.batch;
    config.learning_rate = kPaperLearningRate;
    Trainer trainer(config, stream);
    trainer.load_weights(init.tensors);

    std::ifstream lines(kFolder + "/" + c.file + ".losses_f64.jsonl");
    std::string line;
    // An emulated device takes minutes for what the first step does not show already.
    const bool slow = test::kEmulated && !stream.device().is_cpu();
    const int steps = slow && (c.batch > 1 || precision == Precision::tf32) ? 1 : 3;
    for (int step = 0; step < steps; ++step) {
      REQUIRE(std::getline(lines, line));
      const auto expected = nlohmann::json::parse(line);
      const std::size_t size = static_cast<std::size_t>(c.batch) * 1024;
      const std::size_t first = static_cast<std::size_t>(step) * size;
      const std::span x(patches.at("x").values.data() + first, size), y(patches.at("y").values.data() + first, size);
      if (step == 0) {
        const TensorFile gradients = read_safetensors(kFolder + "/" + c.file + ".grads1.safetensors");
        Conditioning tolerance{1e-4, 1e-4};
        if (precision == Precision::tf32) {
          // A layer of TF32 rounds three times (weights, activations, gradients), the change above only once a network.
          const Conditioning once = conditioning(config, init, x, y, gradients);
          tolerance = {2 * once.generator, 2 * once.discriminator};
        }
        // Gradients through instance norm change by 0.4 with the last bits of TF32: a comparison would show nothing.
        const bool conclusive = precision == Precision::fp32 || c.norm == Norm::demod;
        if (conclusive) CHECK(std::max(tolerance.generator, tolerance.discriminator) < 0.3);
        for (const auto& [key, tensor] : trainer.gradients(x, y)) {
          if (!conclusive || has_no_gradient(key, c.norm)) continue;
          INFO(key);
          CHECK(relative_distance(tensor.values, gradients.at(key).values) <
                (key.starts_with("generator") ? tolerance.generator : tolerance.discriminator));
        }
      }
      const StepLosses losses = trainer.step(x, y);
      // Rounding of the first update is amplified by Adam, which moves by about lr * sign(g).
      const double tolerance = looser(precision, step == 0 ? 1e-4 : 1e-3);
      const auto check = [&](const char* key, double value) {
        INFO("step " << step + 1 << " " << key);
        CHECK(value == Approx(expected.at(key).get<double>()).epsilon(tolerance));
      };
      check("adv_gx", losses.adversarial_gx);
      check("adv_gy", losses.adversarial_gy);
      check("cyc_x", losses.cycle_x);
      check("cyc_y", losses.cycle_y);
      check("ident_x", losses.identity_x);
      check("ident_y", losses.identity_y);
      check("gmap", losses.gradient);
      check("g_total", losses.generator);
      check("d_x", losses.discriminator_x);
      check("d_y", losses.discriminator_y);
    }

    if (steps < 3) continue;
    const TensorFile weights = read_safetensors(kFolder + "/" + c.file + ".weights.safetensors");
    std::vector<float> moved, expected;
    for (const auto& [key, tensor] : load(trainer.weights())) {
      if (has_no_gradient(key, c.norm)) continue;
      for (std::size_t i = 0; i < tensor.values.size(); ++i) {
        moved.push_back(tensor.values[i] - init.at(key).values[i]);
        expected.push_back(weights.at(key).values[i] - init.at(key).values[i]);
      }
    }
    // Adam's first steps are about lr * sign(g): where a gradient is as small as its error, TF32 turns the step round.
    CHECK(relative_distance(moved, expected) < (precision == Precision::tf32 ? 0.5 : 5e-2));
    if (c.norm == Norm::demod) {
      const TensorFile moments = read_safetensors(kFolder + "/" + c.file + ".moments.safetensors");
      std::vector<float> own, reference;
      for (const auto& [key, tensor] : load(trainer.state()).tensors) {
        if (!key.ends_with(".exp_avg") || has_no_gradient(key.substr(0, key.size() - 8), c.norm)) continue;
        own.insert(own.end(), tensor.values.begin(), tensor.values.end());
        const auto& values = moments.at(key).values;
        reference.insert(reference.end(), values.begin(), values.end());
      }
      CHECK(relative_distance(own, reference) < (precision == Precision::tf32 ? 5e-2 : 1e-2));
    }
  }
}
