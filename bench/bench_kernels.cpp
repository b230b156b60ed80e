// SPDX-License-Identifier: Apache-2.0
// Every kernel on the sizes of full-size networks.
//   bench_kernels [--device=cpu|cuda] [--threads=N] [--batches=1,16] [--precisions=tf32,fp32] [--seconds=S]
//                 [--peak=TFLOP/s] [--bandwidth=GB/s] [options of Google Benchmark]
// A time is the median over runs of a CUDA graph of many launches. The benchmark's own is "warm": always on the same
// operands, which stay in the cache if they fit; cold_us is on operands in turn, more than the cache holds. over_floor
// is the time over what peak and bandwidth allow: both are measured on the device unless given. Convolutions in fp32 do
// three products in TF32, which their floor counts. over_cudnn is our time over that of cuDNN's fastest engine, which
// does the nets one after the other, without bias and activation, and is given an image that is already padded (resize:
// and upsampled).
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdio>
#include <sstream>
#include <utility>

#include "bench/support/cases.h"
#include "bench/support/options.h"
#include "models/config.h"

using namespace clade;
using namespace clade::bench;

namespace {

constexpr double kColdBytes = 160e6;  // several times the cache of any GPU that we know
constexpr int kMaxCopies = 256;       // smaller operands are only measured warm

struct Settings {
  Device device;
  int threads = 0;
  std::vector<int> batches;
  std::vector<Precision> precisions;
  double seconds = 0.05;
  Limits limits;
};

struct Times {
  double warm = 0;
  double cold = 0;  ///< 0 where the operands are too small to fill a cache
};

Times measure(Stream& stream, const std::function<Launch(Operands&)>& prepare, double bytes, double seconds) {
  const int enough = static_cast<int>(std::ceil(kColdBytes / bytes)) + 1;
  const bool cold = !stream.device().is_cpu() && enough <= kMaxCopies;
  Operands operands(stream);
  std::vector<Launch> launches;
  for (int i = 0; i < (cold ? enough : 1); ++i) launches.push_back(prepare(operands));
  return {time_launches(stream, {launches.front()}, seconds), cold ? time_launches(stream, launches, seconds) : 0.0};
}

void count_ratio(benchmark::State& state, const char* name, double time, double reference) {
  if (time > 0 && reference > 0) state.counters[name] = time / reference;
}

void run(benchmark::State& state, const Settings& settings, const Case& c, Precision precision) {
  ThreadPool pool(settings.threads);
  Stream stream(settings.device, pool);
  stream.set_precision(precision);
  const Times ours = measure(stream, c.prepare, c.bytes, settings.seconds);
  for (auto _ : state) state.SetIterationTime(ours.warm);
  if (ours.cold > 0) state.counters["cold_us"] = 1e6 * ours.cold;
  if (c.flop > 0) state.counters["TFLOP/s"] = 1e-12 * c.flop / ours.warm;
  state.counters["GB/s"] = 1e-9 * c.bytes / ours.warm;
  // In TF32 products, of which BF16 does two in the time of one.
  const double products = settings.device.is_cpu()         ? 1.0
                          : precision == Precision::fp32   ? 3.0
                          : precision == Precision::bf16   ? 0.5
                                                           : 1.0;
  const double floor = settings.limits.floor(products * c.flop, c.bytes);
  count_ratio(state, "over_floor", ours.warm, floor);
  count_ratio(state, "cold_over_floor", ours.cold, floor);
  if (!c.prepare_cudnn || settings.device.is_cpu()) return;
  try {
    const Times cudnn = measure(stream, c.prepare_cudnn, c.bytes, settings.seconds);
    count_ratio(state, "over_cudnn", ours.warm, cudnn.warm);
    count_ratio(state, "cold_over_cudnn", ours.cold, cudnn.cold);
  } catch (const Error& error) {
    state.SetLabel(error.what());
  }
}

void add(const Settings& settings, const Case& c, Precision precision, bool multiplies) {
  const std::string kind = multiplies ? str('/', name(precision)) : "";
  benchmark::RegisterBenchmark((c.name + kind).c_str(),
                               [=, &settings](benchmark::State& state) {
                                 try {
                                   run(state, settings, c, precision);
                                 } catch (const Error& error) {
                                   state.SkipWithError(error.what());
                                 }
                               })
      ->Unit(benchmark::kMicrosecond)
      ->UseManualTime()
      ->Iterations(1);  // which stands for as many launches as --seconds allows
}

void add_all(const Settings& settings) {
  const auto add_others = [&](const std::vector<Case>& cases) {
    for (const Case& c : cases) add(settings, c, Precision::tf32, false);
  };
  for (const int batch : settings.batches) {
    for (const Case& c : convolution_cases(batch))
      for (const Precision precision : settings.precisions) add(settings, c, precision, true);
    add_others(sample_cases(batch));
  }
  add_others(other_cases());
}

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> words;
  std::istringstream stream(list);
  for (std::string word; std::getline(stream, word, ',');) words.push_back(word);
  return words;
}

Settings take_settings(int& argc, char** argv) {
  Settings settings;
  const auto option = [&](const char* key, const char* otherwise) {
    return take_option(argc, argv, key).value_or(otherwise);
  };
  settings.device = take_device(argc, argv);
  const bool cpu = settings.device.is_cpu();
  settings.threads = std::stoi(option("--threads=", "0"));
  settings.seconds = std::stod(option("--seconds=", "0.05"));
  for (const std::string& word : split(option("--batches=", cpu ? "1,2" : "1,2,16,64,256")))
    settings.batches.push_back(std::stoi(word));
  for (const std::string& word : split(option("--precisions=", cpu ? "fp32" : "tf32,fp32")))
    settings.precisions.push_back(parse_precision(word));
  const double peak = std::stod(option("--peak=", "0")), bandwidth = std::stod(option("--bandwidth=", "0"));
  if (!cpu && (peak <= 0 || bandwidth <= 0)) {
    ThreadPool pool(1);
    Stream stream(settings.device, pool);
    settings.limits = measure_limits(stream);
  }
  if (peak > 0) settings.limits.flops = 1e12 * peak;
  if (bandwidth > 0) settings.limits.bandwidth = 1e9 * bandwidth;
  return settings;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Settings settings = take_settings(argc, argv);
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    benchmark::AddCustomContext("device", device_name(settings.device));
    benchmark::AddCustomContext("peak_tflops", str(1e-12 * settings.limits.flops));
    benchmark::AddCustomContext("bandwidth_gbs", str(1e-9 * settings.limits.bandwidth));
    add_all(settings);
    benchmark::RunSpecifiedBenchmarks();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_kernels: %s\n", error.what());
    return 1;
  }
}
