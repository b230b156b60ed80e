// SPDX-License-Identifier: Apache-2.0
// A training step and super-resolution of patches with full-size networks.
#include <benchmark/benchmark.h>

#include "core/philox.h"
#include "models/model.h"
#include "models/trainer.h"

using namespace clade;

namespace {

// Work of one sample, architecture: six generator passes and two discriminators, forward and both gradients.
constexpr double kStepFlop = 20.4e9;
constexpr double kPatchFlop = 1.07e9;

std::vector<float> random_patches(int count, std::uint64_t stream) {
  RandomSequence random(5, RandomUse::test, stream);
  std::vector<float> values(static_cast<std::size_t>(count) * 1024);
  for (float& value : values) value = static_cast<float>(1.8 * random.next_uniform() - 0.9);
  return values;
}

void training_step(benchmark::State& state, Upsampling upsampling) {
  ThreadPool pool(static_cast<int>(state.range(1)));
  Stream stream(Device{}, pool);
  TrainConfig config;
  config.generator.upsampling = upsampling;
  config.batch = static_cast<int>(state.range(0));
  Trainer trainer(config, stream);
  const std::vector<float> x = random_patches(config.batch, 1), y = random_patches(config.batch, 2);
  trainer.step(x, y);
  for (auto _ : state) trainer.step(x, y);
  const double samples = static_cast<double>(state.iterations()) * config.batch;
  state.counters["samples/s"] = benchmark::Counter(samples, benchmark::Counter::kIsRate);
  state.counters["GFLOP/s"] = benchmark::Counter(samples * kStepFlop * 1e-9, benchmark::Counter::kIsRate);
}

void inference(benchmark::State& state, Upsampling upsampling) {
  ThreadPool pool(static_cast<int>(state.range(1)));
  Stream stream(Device{}, pool);
  TrainConfig config;
  config.generator.upsampling = upsampling;
  TensorFile file;
  file.tensors = Trainer(config, stream).weights();
  SuperResolver model(file, {}, stream);
  const int batch = static_cast<int>(state.range(0));
  const std::vector<float> x = random_patches(batch, 1);
  std::vector<float> y(x.size());
  model.apply(x, batch, 32, 32, y);
  for (auto _ : state) model.apply(x, batch, 32, 32, y);
  const double patches = static_cast<double>(state.iterations()) * batch;
  state.counters["patches/s"] = benchmark::Counter(patches, benchmark::Counter::kIsRate);
  state.counters["GFLOP/s"] = benchmark::Counter(patches * kPatchFlop * 1e-9, benchmark::Counter::kIsRate);
}

// Arguments: batch, threads.
BENCHMARK_CAPTURE(training_step, transposed, Upsampling::transposed)
    ->Args({1, 1})->Args({1, 2})->Args({16, 2})->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(training_step, resize, Upsampling::resize)
    ->Args({1, 2})->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(inference, transposed, Upsampling::transposed)
    ->Args({32, 1})->Args({8, 2})->Args({32, 2})->Args({64, 2})->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(inference, resize, Upsampling::resize)
    ->Args({32, 2})->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
