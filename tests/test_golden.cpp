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

struct Case {
  const char* file;
  Norm norm;
  int batch;
};

// Three steps of a small CLADE and what they must lead to.
struct TrainingGolden {
  explicit TrainingGolden(const Case& c)
      : init(read_safetensors(kFolder + "/init.safetensors")),
        patches(read_safetensors(kFolder + "/patches.safetensors")),
        gradients(read_safetensors(kFolder + "/" + c.file + ".grads1.safetensors")),
        weights(read_safetensors(kFolder + "/" + c.file + ".weights.safetensors")) {
    if (c.norm == Norm::demod) moments = read_safetensors(kFolder + "/" + c.file + ".moments.safetensors");
    config.generator = generator_config(init.tensors, "generator_x", c.norm);
    config.loss = {AdversarialLoss::bce, GradientForm::combined, 1.0, 1.0, 5.0};
    config.batch = c.batch;
    config.learning_rate = kPaperLearningRate;
    std::ifstream lines(kFolder + "/" + c.file + ".losses_f64.jsonl");
    for (std::string line; std::getline(lines, line);) losses.push_back(nlohmann::json::parse(line));
  }

  std::span<const float> images(const char* domain, int step) const {
    const std::size_t size = static_cast<std::size_t>(config.batch) * 1024;
    return std::span(patches.at(domain).values).subspan(static_cast<std::size_t>(step) * size, size);
  }

  TensorFile init, patches, gradients, weights, moments;
  std::vector<nlohmann::json> losses;
  TrainConfig config;
};

// How far a run is from a golden one, relative: gradients of the first step (of the worst parameter), and after three
// steps what the weights have moved by and the first moments.
struct Distances {
  double generator = 0, discriminator = 0, moved = 0, moments = 0;
};

void measure_gradients(const TrainingGolden& golden, const std::map<std::string, HostTensor>& gradients,
                       Distances& distances) {
  for (const auto& [key, tensor] : gradients) {
    if (has_no_gradient(key, golden.config.generator.norm)) continue;
    double& worst = key.starts_with("generator") ? distances.generator : distances.discriminator;
    worst = std::max(worst, relative_distance(tensor.values, golden.gradients.at(key).values));
  }
}

void measure_state(const TrainingGolden& golden, Trainer& trainer, Distances& distances) {
  std::vector<float> moved, expected_move, moments, expected_moments;
  const auto append = [](std::vector<float>& all, std::span<const float> values) {
    all.insert(all.end(), values.begin(), values.end());
  };
  for (const auto& [key, tensor] : load(trainer.state()).tensors) {
    const bool is_moment = key.ends_with(".exp_avg");
    const std::string name = is_moment ? key.substr(0, key.size() - 8) : key;
    if (key.ends_with(".exp_avg_sq") || has_no_gradient(name, golden.config.generator.norm)) continue;
    if (is_moment && !golden.moments.tensors.empty()) {
      append(moments, tensor.values);
      append(expected_moments, golden.moments.at(key).values);
    } else if (!is_moment) {
      for (std::size_t i = 0; i < tensor.values.size(); ++i) {
        moved.push_back(tensor.values[i] - golden.init.at(key).values[i]);
        expected_move.push_back(golden.weights.at(key).values[i] - golden.init.at(key).values[i]);
      }
    }
  }
  distances.moved = std::max(distances.moved, relative_distance(moved, expected_move));
  if (!moments.empty()) distances.moments = std::max(distances.moments, relative_distance(moments, expected_moments));
}

// How far TF32 may take a run: twice the largest distances of some runs on the CPU whose weights and images were changed
// by what TF32 rounds off, because a layer rounds weights, activations and gradients. No fixed distance follows from the
// precision of a product: instance norm over four pixels divides by small deviations, signs in the losses and slopes of
// ReLU flip where a value is as small as its error, and Adam's first steps are lr * sign(gradient).
Distances limits_in_tf32(const TrainingGolden& golden) {
  Distances worst;
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<float> rounding(1 - 0x1p-11f, 1 + 0x1p-11f);
    const auto perturbed = [&](std::span<const float> values) {
      std::vector<float> result(values.begin(), values.end());
      for (float& value : result) value *= rounding(random);
      return result;
    };
    TensorFile changed = golden.init;
    for (auto& [key, tensor] : changed.tensors) tensor.values = perturbed(tensor.values);
    test::TestStream cpu(Device{});
    TrainConfig config = golden.config;
    config.precision = Precision::fp32;
    Trainer trainer(config, cpu.stream);
    trainer.load_weights(changed.tensors);
    measure_gradients(golden, trainer.gradients(perturbed(golden.images("x", 0)), perturbed(golden.images("y", 0))), worst);
    for (int step = 0; step < 3; ++step)
      trainer.step(perturbed(golden.images("x", step)), perturbed(golden.images("y", step)));
    measure_state(golden, trainer, worst);
  }
  return {2 * worst.generator, 2 * worst.discriminator, 2 * worst.moved, 2 * worst.moments};
}

// In float32 gradients are narrow; one slope that flips in a discriminator's last norm, which has four pixels, moves that
// discriminator's moments of the next steps by a twentieth.
constexpr Distances kLimitsInFp32{1e-4, 1e-4, 0.1, 0.1};

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
  IN_EVERY_PRECISION(stream);
  const Precision precision = stream.precision();
  for (const Case& c : {Case{"train_demod_bce_b1", Norm::demod, 1}, Case{"train_instance_bce_b4", Norm::instance, 4}}) {
    INFO(c.file);
    TrainingGolden golden(c);
    golden.config.precision = precision;
    const Distances limits = precision == Precision::tf32 ? limits_in_tf32(golden) : kLimitsInFp32;

    Trainer trainer(golden.config, stream);
    trainer.load_weights(golden.init.tensors);
    Distances distances;
    measure_gradients(golden, trainer.gradients(golden.images("x", 0), golden.images("y", 0)), distances);

    // An emulated device takes minutes for what the first step does not show already.
    const bool slow = test::kEmulated && !stream.device().is_cpu();
    const int steps = slow && (c.batch > 1 || precision == Precision::tf32) ? 1 : 3;
    for (int step = 0; step < steps; ++step) {
      const StepLosses losses = trainer.step(golden.images("x", step), golden.images("y", step));
      // Rounding of the first update is amplified by Adam, which moves by about lr * sign(g).
      const double tolerance = looser(precision, step == 0 ? 1e-4 : 1e-3);
      const auto check = [&](const char* key, double value) {
        INFO("step " << step + 1 << " " << key);
        CHECK(value == Approx(golden.losses[static_cast<std::size_t>(step)].at(key).get<double>()).epsilon(tolerance));
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
    if (steps == 3) measure_state(golden, trainer, distances);
    // In TF32 the last bits change gradients through instance norm by 0.4: a comparison would show nothing.
    if (precision == Precision::tf32 && c.norm == Norm::instance) continue;
    CHECK(std::max(limits.generator, limits.discriminator) < 0.3);
    CHECK(distances.generator < limits.generator);
    CHECK(distances.discriminator < limits.discriminator);
    CHECK(distances.moved < limits.moved);
    CHECK(distances.moments <= limits.moments);
  }
}
