// SPDX-License-Identifier: Apache-2.0
// The training step. Neither network has statistics that span a batch, so calls that use the same weights are merged
// exactly: translation and identity are one pass of both generators, the cycles a second one, and each discriminator
// sees real and fake in one pass. Net 0 is G_X and D_X, net 1 is G_Y and D_Y.
#include "models/trainer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "engine/graph.h"
#include "kernels/dispatch.h"
#include "losses/losses.h"
#include "models/discriminator.h"
#include "models/demodulation_scales.h"
#include "models/gradient_memory.h"

namespace clade {

namespace {

using kernels::PoolRule;
using kernels::ScalarList;
using kernels::StepControl;

constexpr std::uint64_t kGeneratorStream = 0;
constexpr std::uint64_t kDiscriminatorStream = 1000;
constexpr const char* kStepKey = "step";
constexpr const char* kAverageSuffix = ".average";

// Parameters of a pair of networks with all that their training keeps.
struct TrainedBlock {
  TrainedBlock(std::vector<std::string> nets) : block(std::move(nets)) {}

  void allocate(Stream& stream, double learning_rate) {
    block.allocate(stream);
    adam.emplace(stream, block.size(), learning_rate);
  }

  ParameterBlock block;
  std::optional<Adam> adam;
};

// The losses of a step in the order in which they are logged.
constexpr double StepLosses::*kLogged[] = {
    &StepLosses::adversarial_gx,   &StepLosses::adversarial_gy,   &StepLosses::cycle_x,
    &StepLosses::cycle_y,          &StepLosses::identity_x,       &StepLosses::identity_y,
    &StepLosses::gradient,         &StepLosses::generator,        &StepLosses::discriminator_x,
    &StepLosses::discriminator_y,  &StepLosses::deviation_fake_y, &StepLosses::deviation_fake_x,
    &StepLosses::deviation_real_y, &StepLosses::deviation_real_x};
constexpr int kLoggedCount = static_cast<int>(std::size(kLogged));
static_assert(kLoggedCount <= ScalarList::kMaximum);

}  // namespace

bool StepLosses::finite() const {
  return std::all_of(std::begin(kLogged), std::end(kLogged),
                     [&](double StepLosses::*member) { return std::isfinite(this->*member); });
}

struct Trainer::Impl {
  Impl(const TrainConfig& c, Stream& s)
      : config(c),
        stream(s),
        arena(s.device()),
        generators({"generator_x", "generator_y"}),
        discriminators({"discriminator_x", "discriminator_y"}),
        generator(c.generator, generators.block),
        discriminator(c.generator.base_channels, discriminators.block),
        control(s, {1}),
        log(s, {kMaxSteps, kLoggedCount}),
        x(s, images()),
        y(s, images()) {
    CLADE_CHECK(c.precision != Precision::bf16, ErrorCode::usage, "precision bf16 is for inference, not for training");
    s.set_precision(c.precision);
    generators.allocate(s, c.learning_rate);
    discriminators.allocate(s, c.learning_rate);
    parameter_gradients.emplace(
        s, updates_at_once() ? GradientMemory::Layout::passing : GradientMemory::Layout::whole,
        std::initializer_list<const ParameterBlock*>{&generators.block, &discriminators.block});
    generators.block.initialise(s, c.seed, kGeneratorStream);
    discriminators.block.initialise(s, c.seed, kDiscriminatorStream);
    if (c.ema > 0.0) {
      average = Tensor(s, {generators.block.size()});
      restart_average();
    }
    scales.emplace(s, generator, generators.block);
    if (c.pool > 0) {
      pool_x = Tensor(s, {c.pool, pixels()});
      pool_y = Tensor(s, {c.pool, pixels()});
    }
  }

  std::int64_t pixels() const { return std::int64_t{config.patch} * config.patch; }
  Shape images() const { return {1, config.batch, config.patch, config.patch, 1}; }
  Shape flat() const { return {config.batch, pixels()}; }
  // Images in the pools; they fill from the first step on.
  std::int64_t pooled_count() const { return std::min<std::int64_t>(config.pool, steps * config.batch); }

  void restart_average() {
    if (average)
      stream.copy_on_device(average.view().data, generators.block.values().view().data,
                            static_cast<std::size_t>(average.size()) * sizeof(float));
  }

  Var deviation(Tape& tape, Var images) {
    const View<float> result = tape.allocate({1});
    CLADE_KERNEL(mean_deviation)(stream, tape.value(images), result);
    return tape.constant(result);
  }

  // What a discriminator sees in place of the fakes when there is a pool.
  Var pooled(Tape& tape, Tensor& pool, std::uint64_t number, Var fakes) {
    const View<const float> seen = tape.value(fakes);
    const View<float> shown = tape.allocate(seen.shape);
    CLADE_KERNEL(pool_exchange)(stream, PoolRule{config.pool, config.seed + number}, control.view(),
                                View<const float>(seen.data, flat()), pool.view(), View<float>(shown.data, flat()));
    return tape.constant(shown);
  }

  // One evaluation of all losses, and what they are differentiated in.
  struct Losses {
    std::vector<Var> logged;
    Var generator;
    Var discriminator;
  };
  Losses evaluate(Tape& tape, const Generator::Weights& g, const std::vector<Var>& d, bool use_pool);
  // On the CPU each parameter is updated as soon as its gradient is there: in the cache, and in memory that serves the
  // next one. A GPU prefers few launches, and clipping needs all gradients first.
  bool updates_at_once() const { return stream.device().is_cpu() && config.clip == 0.0; }
  void update_discriminators(std::size_t i, View<const float> gradient) {
    const std::int64_t offset = discriminators.block.parameters()[i].offset;
    const Shape flat{gradient.size()};
    Adam& adam = *discriminators.adam;
    CLADE_KERNEL(adam)(stream, adam.parameters(), control.view(), View<const float>(gradient.data, flat),
                       adam.first_moment().view(offset, flat), adam.second_moment().view(offset, flat),
                       discriminators.block.values().view(offset, flat));
  }
  void update_all(TrainedBlock& part) {
    const View<float> gradient = parameter_gradients->tensor().view(0, {part.block.size()});
    if (config.clip > 0.0) CLADE_KERNEL(clip_norm)(stream, static_cast<float>(config.clip), gradient);
    CLADE_KERNEL(adam)(stream, part.adam->parameters(), control.view(), gradient, part.adam->first_moment().view(),
                       part.adam->second_moment().view(), part.block.values().view());
  }
  void update_generators() {
    if (config.clip > 0.0) {
      // The norm is that of complete gradients.
      scales->pull_back(stream, parameter_gradients->tensor(), generators.block);
      update_all(generators);
      scales->refresh(stream, generators.block);
    } else {
      scales->update(stream, control.view(), parameter_gradients->tensor(), *generators.adam, generators.block);
    }
  }
  void enqueue_step();
  void load_pairs(std::span<const float> x_values, std::span<const float> y_values);
  std::vector<StepLosses> run(std::int64_t first, int count);
  std::map<std::string, HostTensor> gradients();

  LazyTensor save_pool(const Tensor& pool) const {
    return {{pooled_count(), 1, config.patch, config.patch},
            [this, &pool](const ValueSink& sink) { sink(pool.values(stream, 0, pooled_count() * pixels())); }};
  }
  void load_pool(const HostTensor& images, Tensor& pool) const {
    CLADE_CHECK((images.shape == std::vector<std::int64_t>{pooled_count(), 1, config.patch, config.patch}),
                ErrorCode::model, "the image pool does not fit this configuration");
    std::vector<float> values = images.values;
    values.resize(static_cast<std::size_t>(pool.size()));
    pool.assign(stream, values);
  }

  TrainConfig config;
  Stream& stream;
  Arena arena;
  TrainedBlock generators;
  TrainedBlock discriminators;
  // Of the generators, then of the discriminators: no gradient of the second sweep depends on the generators' weights, so
  // that these are updated before it and leave their memory to it.
  std::optional<GradientMemory> parameter_gradients;
  Tensor average;  // of the generators' weights, if models are to hold it
  Generator generator;
  Discriminator discriminator;
  std::optional<DemodulationScales> scales;
  BasicTensor<StepControl> control;
  Tensor log;
  Tensor data_x, data_y;  // [pairs, pixels]
  Tensor x, y;            // the batch
  Tensor pool_x, pool_y;  // [capacity, pixels]
  StepGraph graph;
  std::int64_t steps = 0;
};

Trainer::Impl::Losses Trainer::Impl::evaluate(Tape& tape, const Generator::Weights& g, const std::vector<Var>& d,
                                              bool use_pool) {
  const int batch = config.batch;
  const int patch = config.patch;
  const Var real_x = tape.constant(x.view());
  const Var real_y = tape.constant(y.view());

  // G_X on {x, y} and G_Y on {y, x}: translation and identity.
  const Var first = generator.forward(
      tape, g, stack(tape, std::array{real_x, real_y, real_y, real_x}, {2, 2 * batch, patch, patch, 1}));
  const Var fake_y = slice(tape, first, 0, 0, batch);
  const Var same_y = slice(tape, first, 0, batch, batch);
  const Var fake_x = slice(tape, first, 1, 0, batch);
  const Var same_x = slice(tape, first, 1, batch, batch);

  // G_X(G_Y(y)) and G_Y(G_X(x)): the cycles.
  const Var second = generator.forward(tape, g, stack(tape, std::array{fake_x, fake_y}, {2, batch, patch, patch, 1}));
  const Var cycled_y = slice(tape, second, 0, 0, batch);
  const Var cycled_x = slice(tape, second, 1, 0, batch);

  // D_X on {x, fake_x} and D_Y on {y, fake_y}, and on pooled fakes if there are any.
  std::vector<Var> judged_x{real_x, fake_x};
  std::vector<Var> judged_y{real_y, fake_y};
  if (use_pool) {
    judged_x.push_back(pooled(tape, pool_x, 0, fake_x));
    judged_y.push_back(pooled(tape, pool_y, 1, fake_y));
  }
  const int groups = static_cast<int>(judged_x.size());
  std::vector<Var> judged = judged_x;
  judged.insert(judged.end(), judged_y.begin(), judged_y.end());
  const Var logits = discriminator.forward(tape, d, stack(tape, judged, {2, groups * batch, patch, patch, 1}));
  const auto verdict = [&](int net, int group) { return slice(tape, logits, net, group * batch, batch); };
  const int shown = groups - 1;

  const LossConfig& loss = config.loss;
  const std::array terms{generator_adversarial_loss(tape, loss.adversarial, verdict(1, 1)),
                         generator_adversarial_loss(tape, loss.adversarial, verdict(0, 1)),
                         cycle_loss(tape, cycled_x, real_x),
                         cycle_loss(tape, cycled_y, real_y),
                         identity_loss(tape, same_x, real_x),
                         identity_loss(tape, same_y, real_y),
                         gradient_map_loss(tape, loss.gradient_form, cycled_y, real_y)};
  const auto cycle = static_cast<float>(loss.lambda_cycle);
  const auto identity = static_cast<float>(loss.lambda_identity);
  const auto gradient = static_cast<float>(loss.lambda_gradient);

  Losses losses;
  losses.generator = weighted_sum(tape, terms, std::array{1.0f, 1.0f, cycle, cycle, identity, identity, gradient});
  const Var d_x = discriminator_loss(tape, loss.adversarial, verdict(0, 0), verdict(0, shown));
  const Var d_y = discriminator_loss(tape, loss.adversarial, verdict(1, 0), verdict(1, shown));
  losses.discriminator = weighted_sum(tape, std::array{d_x, d_y}, std::array{1.0f, 1.0f});
  losses.logged.assign(terms.begin(), terms.end());
  losses.logged.insert(losses.logged.end(), {losses.generator, d_x, d_y, deviation(tape, fake_y), deviation(tape, fake_x),
                                             deviation(tape, real_y), deviation(tape, real_x)});
  return losses;
}

// Everything here is the same from step to step; what changes is read from `control` on the device.
void Trainer::Impl::enqueue_step() {
  CLADE_KERNEL(take_pairs)(stream, control.view(), data_x.view(), data_y.view(), View<float>(x.view().data, flat()),
                           View<float>(y.view().data, flat()));
  arena.reset();
  Tape tape(stream, arena);
  const Generator::Weights g{
      generators.block.bind(tape, generators.block.values(), parameter_gradients->places(generators.block)),
      scales->views()};
  const std::vector<Var> d = discriminators.block.bind(tape, discriminators.block.values(),
                                                       parameter_gradients->places(discriminators.block));
  const Losses losses = evaluate(tape, g, d, config.pool > 0);

  ScalarList scalars;
  for (Var var : losses.logged) scalars.values[scalars.count++] = tape.value(var).data;
  CLADE_KERNEL(finish_losses)(stream, scalars, config.batch, control.view(), log.view());

  if (updates_at_once()) {
    tape.backward(losses.generator, g.parameters, [&](std::size_t i) {
      scales->update(stream, control.view(), i, tape.gradient(g.parameters[i]), *generators.adam, generators.block);
    });
  } else {
    tape.backward(losses.generator, g.parameters);
    update_generators();
  }
  if (average)
    CLADE_KERNEL(average_weights)(stream, static_cast<float>(config.ema), control.view(), generators.block.values().view(),
                                  average.view());
  if (updates_at_once()) {
    tape.backward(losses.discriminator, d,
                  [&](std::size_t i) { update_discriminators(i, tape.gradient(d[i])); });
  } else {
    tape.backward(losses.discriminator, d);
    update_all(discriminators);
  }
}

void Trainer::Impl::load_pairs(std::span<const float> x_values, std::span<const float> y_values) {
  const auto pairs = static_cast<std::int64_t>(x_values.size()) / pixels();
  CLADE_CHECK(x_values.size() == y_values.size() && pairs >= config.batch &&
                  pairs * pixels() == static_cast<std::int64_t>(x_values.size()),
              ErrorCode::usage, "a step takes ", config.batch * pixels(), " values of each domain, got ",
              x_values.size(), " and ", y_values.size());
  if (!data_x || data_x.shape()[0] != pairs) {
    stream.synchronize();
    graph.reset();
    data_x = Tensor(stream, {pairs, pixels()});
    data_y = Tensor(stream, {pairs, pixels()});
  }
  data_x.assign(stream, x_values);
  data_y.assign(stream, y_values);
}

std::vector<StepLosses> Trainer::Impl::run(std::int64_t first, int count) {
  CLADE_CHECK(count >= 1 && count <= kMaxSteps && data_x, ErrorCode::internal, "a run of ", count, " steps on ",
              data_x.size(), " values");
  control.assign(stream, std::array{StepControl{steps, first, 0, 1}});
  for (int i = 0; i < count; ++i) graph.run(stream, [&] { enqueue_step(); });

  const StepControl reached = control.values(stream)[0];
  const std::vector<float> rows = log.values(stream);
  std::vector<StepLosses> losses(static_cast<std::size_t>(reached.row));
  auto value = rows.begin();
  for (StepLosses& step : losses)
    for (double StepLosses::*member : kLogged) step.*member = static_cast<double>(*value++);
  steps = reached.step;
  return losses;
}

std::map<std::string, HostTensor> Trainer::Impl::gradients() {
  control.assign(stream, std::array{StepControl{steps, 0, 0, 1}});
  CLADE_KERNEL(take_pairs)(stream, control.view(), data_x.view(), data_y.view(), View<float>(x.view().data, flat()),
                           View<float>(y.view().data, flat()));
  // A captured step goes on using its own arena.
  Arena values(stream.device());
  Tape tape(stream, values);
  GradientMemory all(stream, GradientMemory::Layout::whole, {&generators.block, &discriminators.block});
  const Generator::Weights g{
      generators.block.bind(tape, generators.block.values(), all.places(generators.block)), scales->views()};
  const std::vector<Var> d =
      discriminators.block.bind(tape, discriminators.block.values(), all.places(discriminators.block));
  const Losses losses = evaluate(tape, g, d, false);
  std::map<std::string, HostTensor> gradients;
  const auto collect = [&](const ParameterBlock& block) {
    std::map<std::string, LazyTensor> tensors;
    block.export_to(stream, tensors, all.tensor());
    gradients.merge(load(tensors));
  };
  tape.backward(losses.generator, g.parameters);
  scales->pull_back(stream, all.tensor(), generators.block);
  collect(generators.block);
  tape.backward(losses.discriminator, d);
  collect(discriminators.block);
  return gradients;
}

Trainer::Trainer(const TrainConfig& config, Stream& stream) : impl_(std::make_unique<Impl>(config, stream)) {}
Trainer::~Trainer() = default;

const TrainConfig& Trainer::config() const { return impl_->config; }
std::int64_t Trainer::step_count() const { return impl_->steps; }

void Trainer::load_pairs(std::span<const float> x, std::span<const float> y) { impl_->load_pairs(x, y); }
std::vector<StepLosses> Trainer::run(std::int64_t first, int steps) { return impl_->run(first, steps); }
StepLosses Trainer::step(std::span<const float> x, std::span<const float> y) {
  impl_->load_pairs(x, y);
  return impl_->run(0, 1).back();
}

std::map<std::string, HostTensor> Trainer::gradients(std::span<const float> x, std::span<const float> y) {
  impl_->load_pairs(x, y);
  return impl_->gradients();
}

std::map<std::string, LazyTensor> Trainer::weights() const {
  std::map<std::string, LazyTensor> tensors;
  const ParameterBlock& generators = impl_->generators.block;
  const ParameterBlock& discriminators = impl_->discriminators.block;
  generators.export_to(impl_->stream, tensors, impl_->average ? impl_->average : generators.values());
  discriminators.export_to(impl_->stream, tensors, discriminators.values());
  return tensors;
}

void Trainer::load_weights(const std::map<std::string, HostTensor>& tensors) {
  for (TrainedBlock* part : {&impl_->generators, &impl_->discriminators})
    part->block.import_from(impl_->stream, tensors, part->block.values(), "", false);
  for (const Parameter& parameter : impl_->generators.block.parameters())
    CLADE_CHECK(tensors.contains("generator_x." + parameter.name), ErrorCode::model, "tensor generator_x.",
                parameter.name, " is missing");
  impl_->restart_average();
  impl_->scales->refresh(impl_->stream, impl_->generators.block);
}

LazyTensorFile Trainer::state() const {
  LazyTensorFile file;
  for (const TrainedBlock* part : {&impl_->generators, &impl_->discriminators}) {
    part->block.export_to(impl_->stream, file.tensors, part->block.values());
    part->block.export_to(impl_->stream, file.tensors, part->adam->first_moment(), ".exp_avg");
    part->block.export_to(impl_->stream, file.tensors, part->adam->second_moment(), ".exp_avg_sq");
  }
  if (impl_->average) impl_->generators.block.export_to(impl_->stream, file.tensors, impl_->average, kAverageSuffix);
  if (impl_->config.pool > 0) {
    file.tensors["pool_x"] = impl_->save_pool(impl_->pool_x);
    file.tensors["pool_y"] = impl_->save_pool(impl_->pool_y);
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
    part->block.import_from(impl_->stream, state.tensors, part->block.values(), "", true);
    part->block.import_from(impl_->stream, state.tensors, part->adam->first_moment(), ".exp_avg", true);
    part->block.import_from(impl_->stream, state.tensors, part->adam->second_moment(), ".exp_avg_sq", true);
  }
  if (impl_->average)
    impl_->generators.block.import_from(impl_->stream, state.tensors, impl_->average, kAverageSuffix, true);
  impl_->steps = step;
  impl_->scales->refresh(impl_->stream, impl_->generators.block);
  if (impl_->config.pool > 0) {
    impl_->load_pool(state.at("pool_x"), impl_->pool_x);
    impl_->load_pool(state.at("pool_y"), impl_->pool_y);
  }
}

}  // namespace clade
