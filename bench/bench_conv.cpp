// SPDX-License-Identifier: Apache-2.0
// Convolutions of one training step: forward, input gradient and weight gradient over the same shapes. The GFLOP/s
// counter is useful work, two operations per product of the definition (resize: of its four 2x2 phases).
#include <benchmark/benchmark.h>

#include <string>
#include <utility>
#include <vector>

#include "core/stream.h"
#include "kernels/kernels.h"

namespace {

using namespace clade;
using namespace clade::kernels;

struct Layer {
  const char* name;
  ConvShape shape;
};

const std::vector<Layer>& layers() {
  const auto generator = [](int n, int size, int cin, int cout, int k, int stride, ConvKind kind) {
    const PadMode mode = stride == 2 ? PadMode::zero : PadMode::reflect;
    const int output_padding = kind == ConvKind::transposed ? 1 : 0;
    return ConvShape{2, n, size, size, cin, cout, k, stride, k / 2, mode, kind, output_padding};
  };
  const auto critic = [](int n, int size, int cin, int cout, int stride) {
    return ConvShape{2, n, size, size, cin, cout, 4, stride, 1, PadMode::zero, ConvKind::direct, 0};
  };
  static const std::vector<Layer> list = {
      {"stem_7x7_1_64", generator(2, 32, 1, 64, 7, 1, ConvKind::direct)},
      {"down_64_128", generator(2, 32, 64, 128, 3, 2, ConvKind::direct)},
      {"down_128_256", generator(2, 16, 128, 256, 3, 2, ConvKind::direct)},
      {"trunk_256_256_n1", generator(1, 8, 256, 256, 3, 1, ConvKind::direct)},
      {"trunk_256_256", generator(2, 8, 256, 256, 3, 1, ConvKind::direct)},
      {"up_256_128", generator(2, 8, 256, 128, 3, 2, ConvKind::transposed)},
      {"up_128_64", generator(2, 16, 128, 64, 3, 2, ConvKind::transposed)},
      {"resize_256_128", generator(2, 8, 256, 128, 3, 1, ConvKind::resize)},
      {"resize_128_64", generator(2, 16, 128, 64, 3, 1, ConvKind::resize)},
      {"head_7x7_64_1", generator(2, 32, 64, 1, 7, 1, ConvKind::direct)},
      {"critic_1_64", critic(2, 32, 1, 64, 2)},
      {"critic_64_128", critic(2, 16, 64, 128, 2)},
      {"critic_128_256", critic(2, 8, 128, 256, 2)},
      {"critic_256_512", critic(2, 4, 256, 512, 1)},
      {"critic_512_1", critic(2, 3, 512, 1, 1)},
      {"inference_trunk_n64", ConvShape{1, 64, 8, 8, 256, 256, 3, 1, 1, PadMode::reflect, ConvKind::direct, 0}},
      {"inference_head_n64", ConvShape{1, 64, 32, 32, 64, 1, 7, 1, 3, PadMode::reflect, ConvKind::direct, 0}},
  };
  return list;
}

double operations(const ConvShape& s) {
  double windows = static_cast<double>(s.nets) * s.n * s.out_h() * s.out_w();
  double taps = s.k * s.k;
  if (s.kind == ConvKind::transposed) windows = static_cast<double>(s.nets) * s.n * s.h * s.w;
  if (s.kind == ConvKind::resize) taps = 4;
  return 2.0 * windows * taps * s.cin * s.cout;
}

enum class Pass { forward, input_gradient, weight_gradient };

void run(benchmark::State& state, const ConvShape& s, Pass pass) {
  ThreadPool pool;
  Stream stream(Device{}, pool);
  Arena arena;
  const auto x = arena.view<float>(s.input()), w = arena.view<float>(s.weight()), y = arena.view<float>(s.output());
  const auto bias = arena.view<float>({s.nets, s.cout});
  for (const View<float>& view : {x, w, y, bias}) cpu::fill(stream, 0.5f, view);
  for (auto iteration : state) {
    switch (pass) {
      case Pass::forward:
        cpu::conv_forward(stream, s, x, w, bias, Activation::relu, y);
        break;
      case Pass::input_gradient:
        cpu::conv_backward_input(stream, s, y, w, WriteMode::overwrite, x);
        break;
      case Pass::weight_gradient:
        cpu::conv_backward_weight(stream, s, x, y, WriteMode::overwrite, w);
        break;
    }
    benchmark::ClobberMemory();
  }
  state.counters["GFLOP/s"] = benchmark::Counter(operations(s) * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace

int main(int argc, char** argv) {
  for (const Layer& layer : layers())
    for (const auto& [name, pass] : {std::pair{"forward", Pass::forward}, std::pair{"dx", Pass::input_gradient},
                                     std::pair{"dw", Pass::weight_gradient}})
      benchmark::RegisterBenchmark((std::string(layer.name) + "/" + name).c_str(), run, layer.shape, pass)
          ->UseRealTime()
          ->Unit(benchmark::kMicrosecond);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
