// SPDX-License-Identifier: Apache-2.0
#include "bench/support/measure.h"

#include <algorithm>

#include "core/philox.h"
#if defined(CLADE_HAS_CUDNN)
#include "kernels/cuda/cudnn/baseline.h"
#endif

namespace clade::bench {

namespace {

constexpr std::size_t kPattern = 1 << 20;
constexpr int kLaunchesPerGraph = 32;  // at least, so that what it takes to launch a graph does not show
constexpr std::size_t kMinRounds = 5;
constexpr std::size_t kMaxRounds = 1000;

}  // namespace

Operands::Operands(Stream& stream) : stream_(stream), arena_(stream.device(), false), pattern_(kPattern) {
  RandomSequence random(1, RandomUse::test, 0);
  for (float& value : pattern_) value = static_cast<float>(2.0 * random.next_uniform() - 1.0);
}

View<float> Operands::random(const Shape& shape) {
  const View<float> view = output(shape);
  for (std::int64_t first = 0; first < view.size(); first += static_cast<std::int64_t>(kPattern)) {
    const std::size_t count = std::min(kPattern, static_cast<std::size_t>(view.size() - first));
    stream_.copy_to_device(view.data + first, pattern_.data(), count * sizeof(float));
  }
  return view;
}

double time_launches(Stream& stream, const std::vector<Launch>& launches, double seconds) {
  const std::size_t count = launches.size();
  const std::size_t rounds = stream.device().is_cpu() ? 1 : (kLaunchesPerGraph + count - 1) / count;
  StepGraph graph;
  const auto run = [&] {
    graph.run(stream, [&] {
      for (std::size_t i = 0; i < rounds * count; ++i) launches[i % count]();
    });
  };
  run();  // workspace grows
  run();  // the graph is made
  Event begin(stream), end(stream);
  std::vector<double> times;
  double total = 0.0;
  while (times.size() < kMinRounds || (total < seconds && times.size() < kMaxRounds)) {
    begin.record();
    run();
    end.record();
    const double elapsed = 1e-3 * Event::elapsed_ms(begin, end);
    total += elapsed;
    times.push_back(elapsed / static_cast<double>(rounds * count));
  }
  stream.synchronize();
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

double Limits::floor(double flop, double bytes) const {
  return std::max(flops > 0 ? flop / flops : 0.0, bandwidth > 0 ? bytes / bandwidth : 0.0);
}

Limits measure_limits(Stream& stream) {
  Limits limits;
  {
    constexpr std::size_t kBytes = std::size_t{512} << 20;
    Arena arena(stream.device());
    void* const from = arena.allocate(kBytes);
    void* const to = arena.allocate(kBytes);
    stream.set_zero(from, kBytes);
    limits.bandwidth = 2.0 * kBytes / time_launches(stream, {[&] { stream.copy_on_device(to, from, kBytes); }}, 0.1);
  }
#if defined(CLADE_HAS_CUDNN)
  if (kernels::cudnn::has_cublas()) {
    constexpr std::int64_t kSize = 8192;
    Operands operands(stream);
    const View<float> a = operands.random({kSize, kSize}), b = operands.random({kSize, kSize}),
                      c = operands.output({kSize, kSize});
    kernels::cudnn::MatrixProduct product(stream);
    const double flop = 2.0 * kSize * kSize * kSize;
    limits.flops = flop / time_launches(stream, {[&] { product.run(a, b, c); }}, 0.1);
  }
#endif
  return limits;
}

}  // namespace clade::bench
