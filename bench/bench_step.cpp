// SPDX-License-Identifier: Apache-2.0
// A training step and super-resolution of patches with full-size networks.
//   bench_step [--device=cpu|cuda] [--threads=N] [options of Google Benchmark]
// On a CUDA device an iteration is a chunk of captured steps, or of calls of the network, and one wait at its end;
// "step_seconds" and "patches/s" count what is in it.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "bench/support/options.h"
#include "core/philox.h"
#include "engine/tensor.h"
#include "kernels/instructions.h"
#include "models/model.h"
#include "models/trainer.h"

using namespace clade;

namespace {

// Work of one sample (docs/architecture.md): six generator passes and two discriminators, forward and both gradients.
constexpr double kStepFlop = 20.4e9;
constexpr double kPatchFlop = 1.07e9;
constexpr int kCalls = 16;  // of the network between two waits for a CUDA device

struct Case {
  Device device;
  int threads;
  Upsampling upsampling;
  Precision precision;
  int batch;

  TrainConfig config() const {
    TrainConfig result;
    result.generator.upsampling = upsampling;
    result.precision = precision;
    result.batch = batch;
    return result;
  }
};

std::vector<float> random_patches(int count, std::uint64_t stream) {
  RandomSequence random(5, RandomUse::test, stream);
  std::vector<float> values(static_cast<std::size_t>(count) * 1024);
  for (float& value : values) value = static_cast<float>(1.8 * random.next_uniform() - 0.9);
  return values;
}

void count_work(benchmark::State& state, const char* name, double items, double flop) {
  state.counters[name] = benchmark::Counter(items, benchmark::Counter::kIsRate);
  state.counters["GFLOP/s"] = benchmark::Counter(items * flop * 1e-9, benchmark::Counter::kIsRate);
}

void training_step(benchmark::State& state, const Case& c) {
  ThreadPool pool(c.threads);
  Stream stream(c.device, pool);
  Trainer trainer(c.config(), stream);
  const int steps = c.device.is_cpu() ? 1 : Trainer::kMaxSteps;
  const int pairs = steps * c.batch;
  trainer.load_pairs(random_patches(pairs, 1), random_patches(pairs, 2));
  trainer.run(0, steps);  // arenas grow, the step is captured
  for (auto _ : state) trainer.run(0, steps);
  const double done = static_cast<double>(state.iterations()) * steps;
  state.counters["step_seconds"] = benchmark::Counter(done, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  count_work(state, "samples/s", done * c.batch, kStepFlop);
}

void inference(benchmark::State& state, const Case& c) {
  ThreadPool pool(c.threads);
  Stream stream(c.device, pool);
  TensorFile file;
  file.tensors = load(Trainer(c.config(), stream).weights());
  SuperResolver model(file, {}, stream);
  const Tensor x(stream, {c.batch, 32, 32}, random_patches(c.batch, 1));
  Tensor y(stream, x.shape());
  const int calls = c.device.is_cpu() ? 1 : kCalls;
  const auto apply = [&] {
    for (int i = 0; i < calls; ++i) model.apply(x.view(), y.view());
    stream.synchronize();
  };
  apply();
  for (auto _ : state) apply();
  count_work(state, "patches/s", static_cast<double>(state.iterations()) * calls * c.batch, kPatchFlop);
}

void add(const char* name, void (*function)(benchmark::State&, const Case&), const Case& c) {
  // The CPU always computes in float32.
  const char* precision = clade::name(c.device.is_cpu() ? Precision::fp32 : c.precision);
  benchmark::RegisterBenchmark(str(name, '/', clade::name(c.upsampling), '/', precision, "/batch:", c.batch).c_str(),
                               function, c)
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime();
}

void add_all(Device device, int threads) {
  const std::vector<Precision> precisions =
      device.is_cpu() ? std::vector{Precision::fp32}
                      : std::vector{Precision::tf32, Precision::fp32, Precision::bf16};
  const std::vector<int> calls = device.is_cpu() ? std::vector{8, 32, 64} : std::vector{16, 64, 256, 1024};
  for (const Upsampling upsampling : {Upsampling::transposed, Upsampling::resize})
    for (const Precision precision : precisions) {
      for (const int batch : {1, 16})
        if (precision != Precision::bf16) add("training_step", training_step, {device, threads, upsampling, precision, batch});
      for (const int batch : calls) add("inference", inference, {device, threads, upsampling, precision, batch});
    }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Device device = bench::take_device(argc, argv);
    const int threads = std::stoi(bench::take_option(argc, argv, "--threads=").value_or("0"));
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    benchmark::AddCustomContext("device", device_name(device));
    benchmark::AddCustomContext("instructions", kernels::cpu_kernels().level);
    add_all(device, threads);
    benchmark::RunSpecifiedBenchmarks();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_step: %s\n", error.what());
    return 1;
  }
}
