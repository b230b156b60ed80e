// SPDX-License-Identifier: Apache-2.0
// The training step. Neither network has statistics that span a batch, so calls that use the same weights are merged
// exactly: translation and identity are one pass of both generators, the cycles a second one, and each discriminator
// sees real and fake in one pass. Net 0 is G_X and D_X, net 1 is G_Y and D_Y.
#include "models/trainer.h"

#include <array>
#include <cmath>

#include "engine/optimizer.h"
#include "kernels/dispatch.h"
#include "losses/losses.h"
#include "models/discriminator.h"
#include "models/generator.h"
#include "models/image_pool.h"

namespace clade {

namespace {

constexpr std::uint64_t kGeneratorStream = 0;
constexpr std::uint64_t kDiscriminatorStream = 1000;
constexpr const char* kStepKey = "step";

// Parameters of a pair of networks with all that their training keeps.
struct TrainedBlock {
  TrainedBlock(std::vector<std::string> nets) : block(std::move(nets)) {}

  void allocate(Device device, double learning_rate) {
    block.allocate(device);
    gradients = Tensor(device, {block.size()});
    adam.emplace(device, block.size(), learning_rate);
  }

  ParameterBlock block;
  Tensor gradients;
  std::optional<Adam> adam;
};

}  // namespace

bool StepLosses::finite() const {
  for (double value : {adversarial_gx, adversarial_gy, cycle_x, cycle_y, identity_x, identity_y, gradient, generator,
                       discriminator_x, discriminator_y})
    if (!std::isfinite(value)) return false;
  return true;
}

struct Trainer::Impl {
  Impl(const TrainConfig& c, Stream& s)
      : config(c),
        stream(s),
        generators({"generator_x", "generator_y"}),
        discriminators({"discriminator_x", "discriminator_y"}),
        generator(c.generator, generators.block),
        discriminator(c.generator.base_channels, discriminators.block),
        pool_x(c.pool, c.patch, c.seed, 0),
        pool_y(c.pool, c.patch, c.seed, 1) {
    generators.allocate(s.device(), c.learning_rate);
    discriminators.allocate(s.device(), c.learning_rate);
    generators.block.initialise(c.seed, kGeneratorStream);
    discriminators.block.initialise(c.seed, kDiscriminatorStream);
  }

  double scalar(const Tape& tape, Var var) const { return static_cast<double>(tape.value(var)[0]); }

  double deviation(Tape& tape, Var images) {
    const View<float> result = tape.allocate({1});
    CLADE_KERNEL(mean_deviation)(stream, tape.value(images), result);
    return static_cast<double>(result[0]);
  }

  // What a discriminator sees in place of the fakes when there is a pool.
  Var pooled(Tape& tape, ImagePool& pool, Var fakes) {
    const View<const float> images = tape.value(fakes);
    const View<float> shown = tape.allocate(images.shape);
    const std::int64_t pixels = images.size() / config.batch;
    for (int i = 0; i < config.batch; ++i)
      pool.exchange(static_cast<std::uint64_t>(steps()) * static_cast<std::uint64_t>(config.batch) +
                        static_cast<std::uint64_t>(i),
                    {images.data + i * pixels, static_cast<std::size_t>(pixels)}, shown.data + i * pixels);
    return tape.constant(shown);
  }

  std::int64_t steps() const { return generators.adam->step_count(); }

  StepLosses step(std::span<const float> x, std::span<const float> y);

  TrainConfig config;
  Stream& stream;
  Arena arena;
  TrainedBlock generators;
  TrainedBlock discriminators;
  Generator generator;
  Discriminator discriminator;
  ImagePool pool_x;
  ImagePool pool_y;
};

StepLosses Trainer::Impl::step(std::span<const float> x_values, std::span<const float> y_values) {
  const int batch = config.batch;
  const int patch = config.patch;
  const auto expected = static_cast<std::size_t>(batch) * static_cast<std::size_t>(patch * patch);
  CLADE_CHECK(x_values.size() == expected && y_values.size() == expected, ErrorCode::usage, "a step takes ", expected,
              " values of each domain, got ", x_values.size(), " and ", y_values.size());

  arena.reset();
  Tape tape(stream, arena);
  const Shape images{1, batch, patch, patch, 1};
  const Var x = tape.constant(View<const float>(x_values.data(), images));
  const Var y = tape.constant(View<const float>(y_values.data(), images));

  const Generator::Weights g = generator.bind(tape, generators.block, generators.gradients);
  const std::vector<Var> d = discriminators.block.bind(tape, discriminators.gradients);

  // G_X on {x, y} and G_Y on {y, x}: translation and identity.
  const Var first = generator.forward(tape, g, stack(tape, std::array{x, y, y, x}, {2, 2 * batch, patch, patch, 1}));
  const Var fake_y = slice(tape, first, 0, 0, batch);
  const Var same_y = slice(tape, first, 0, batch, batch);
  const Var fake_x = slice(tape, first, 1, 0, batch);
  const Var same_x = slice(tape, first, 1, batch, batch);

  // G_X(G_Y(y)) and G_Y(G_X(x)): the cycles.
  const Var second = generator.forward(tape, g, stack(tape, std::array{fake_x, fake_y}, {2, batch, patch, patch, 1}));
  const Var cycled_y = slice(tape, second, 0, 0, batch);
  const Var cycled_x = slice(tape, second, 1, 0, batch);

  // D_X on {x, fake_x} and D_Y on {y, fake_y}, and on pooled fakes if there are any.
  std::vector<Var> judged_x{x, fake_x};
  std::vector<Var> judged_y{y, fake_y};
  if (config.pool > 0) {
    judged_x.push_back(pooled(tape, pool_x, fake_x));
    judged_y.push_back(pooled(tape, pool_y, fake_y));
  }
  const int groups = static_cast<int>(judged_x.size());
  std::vector<Var> judged = judged_x;
  judged.insert(judged.end(), judged_y.begin(), judged_y.end());
  const Var logits =
      discriminator.forward(tape, d, stack(tape, judged, {2, groups * batch, patch, patch, 1}));
  const auto verdict = [&](int net, int group) { return slice(tape, logits, net, group * batch, batch); };
  const int shown = groups - 1;

  const LossConfig& loss = config.loss;
  const std::array terms{generator_adversarial_loss(tape, loss.adversarial, verdict(1, 1)),
                         generator_adversarial_loss(tape, loss.adversarial, verdict(0, 1)),
                         cycle_loss(tape, cycled_x, x),
                         cycle_loss(tape, cycled_y, y),
                         identity_loss(tape, same_x, x),
                         identity_loss(tape, same_y, y),
                         gradient_map_loss(tape, loss.gradient_form, cycled_y, y)};
  const auto cycle = static_cast<float>(loss.lambda_cycle);
  const auto identity = static_cast<float>(loss.lambda_identity);
  const auto gradient = static_cast<float>(loss.lambda_gradient);
  const Var total = weighted_sum(tape, terms, std::array{1.0f, 1.0f, cycle, cycle, identity, identity, gradient});
  const Var d_x = discriminator_loss(tape, loss.adversarial, verdict(0, 0), verdict(0, shown));
  const Var d_y = discriminator_loss(tape, loss.adversarial, verdict(1, 0), verdict(1, shown));
  const Var d_total = weighted_sum(tape, std::array{d_x, d_y}, std::array{1.0f, 1.0f});

  StepLosses result;
  result.adversarial_gx = scalar(tape, terms[0]);
  result.adversarial_gy = scalar(tape, terms[1]);
  result.cycle_x = scalar(tape, terms[2]);
  result.cycle_y = scalar(tape, terms[3]);
  result.identity_x = scalar(tape, terms[4]);
  result.identity_y = scalar(tape, terms[5]);
  result.gradient = scalar(tape, terms[6]);
  result.generator = scalar(tape, total);
  result.discriminator_x = scalar(tape, d_x);
  result.discriminator_y = scalar(tape, d_y);
  result.deviation_fake_y = deviation(tape, fake_y);
  result.deviation_fake_x = deviation(tape, fake_x);
  result.deviation_real_y = deviation(tape, y);
  result.deviation_real_x = deviation(tape, x);
  // The weights of the last finite step stay as they are.
  if (!result.finite()) return result;

  tape.backward(total, g.parameters);
  tape.backward(d_total, d);
  generators.adam->update(stream, generators.gradients.view(), generators.block.values().view());
  discriminators.adam->update(stream, discriminators.gradients.view(), discriminators.block.values().view());
  return result;
}

Trainer::Trainer(const TrainConfig& config, Stream& stream) : impl_(std::make_unique<Impl>(config, stream)) {}
Trainer::~Trainer() = default;

const TrainConfig& Trainer::config() const { return impl_->config; }
std::int64_t Trainer::step_count() const { return impl_->steps(); }

StepLosses Trainer::step(std::span<const float> x, std::span<const float> y) { return impl_->step(x, y); }

std::map<std::string, HostTensor> Trainer::weights() const {
  std::map<std::string, HostTensor> tensors;
  for (const TrainedBlock* part : {&impl_->generators, &impl_->discriminators})
    part->block.export_to(tensors, part->block.values());
  return tensors;
}

std::map<std::string, HostTensor> Trainer::gradients() const {
  std::map<std::string, HostTensor> tensors;
  for (const TrainedBlock* part : {&impl_->generators, &impl_->discriminators})
    part->block.export_to(tensors, part->gradients);
  return tensors;
}

void Trainer::load_weights(const std::map<std::string, HostTensor>& tensors) {
  for (TrainedBlock* part : {&impl_->generators, &impl_->discriminators})
    part->block.import_from(tensors, part->block.values(), "", false);
  for (const Parameter& parameter : impl_->generators.block.parameters())
    CLADE_CHECK(tensors.contains("generator_x." + parameter.name), ErrorCode::model, "tensor generator_x.",
                parameter.name, " is missing");
}

TensorFile Trainer::state() const {
  TensorFile file;
  file.tensors = weights();
  for (const TrainedBlock* part : {&impl_->generators, &impl_->discriminators}) {
    part->block.export_to(file.tensors, part->adam->first_moment(), ".exp_avg");
    part->block.export_to(file.tensors, part->adam->second_moment(), ".exp_avg_sq");
  }
  if (impl_->config.pool > 0) {
    file.tensors["pool_x"] = impl_->pool_x.save();
    file.tensors["pool_y"] = impl_->pool_y.save();
  }
  file.metadata[kStepKey] = std::to_string(step_count());
  return file;
}

void Trainer::load_state(const TensorFile& state) {
  std::int64_t step = -1;
  try {
    step = std::stoll(state.metadata.at(kStepKey));
  } catch (const std::exception&) {
  }
  CLADE_CHECK(step >= 0, ErrorCode::model, "the state does not say how many steps were done");
  for (TrainedBlock* part : {&impl_->generators, &impl_->discriminators}) {
    part->block.import_from(state.tensors, part->block.values(), "", true);
    part->block.import_from(state.tensors, part->adam->first_moment(), ".exp_avg", true);
    part->block.import_from(state.tensors, part->adam->second_moment(), ".exp_avg_sq", true);
    part->adam->set_step_count(step);
  }
  if (impl_->config.pool > 0) {
    impl_->pool_x.load(state.at("pool_x"));
    impl_->pool_y.load(state.at("pool_y"));
  }
}

}  // namespace clade
