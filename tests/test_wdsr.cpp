// SPDX-License-Identifier: Apache-2.0
// The network of SMORE and its schedule.
#include "models/wdsr.h"

#include "engine/ops.h"
#include "models/one_cycle.h"
#include "tests/support/compare.h"
#include "tests/support/gradcheck.h"
#include "tests/support/reference.h"

using namespace clade;
using namespace clade::test;
using kernels::ConvShape;

namespace {

constexpr int kSamples = 2, kHeight = 5, kWidth = 7;

struct TinyNet {
  explicit TinyNet(Stream& stream, const WdsrConfig& config = {5, 2, 3}) : block({"wdsr"}), network(config, block) {
    block.allocate(stream);
    network.initialise(stream, block, 4);
  }
  ParameterBlock block;
  Wdsr network;
};

Floats parameter_values(Stream& stream, const ParameterBlock& block, std::size_t index) {
  const Parameter& parameter = block.parameters()[index];
  return block.values().values(stream, parameter.offset, parameter.shape.size());
}

}  // namespace

TEST_CASE("WDSR agrees with its definition, with and without a tape", "[wdsr]") {
  ON_EVERY_DEVICE(stream);
  const TinyNet net(stream);
  const Floats x = random_values(kSamples * kHeight * kWidth, 7);
  std::size_t parameter = 0;
  const auto convolve = [&](const Floats& in, int cin, int cout, int k, Activation activation) {
    ConvShape shape;
    shape.n = kSamples;
    shape.h = kHeight;
    shape.w = kWidth;
    shape.cin = cin;
    shape.cout = cout;
    shape.k = k;
    shape.pad = k / 2;
    const Floats weight = parameter_values(stream, net.block, parameter++);
    const Floats bias = parameter_values(stream, net.block, parameter++);
    const Doubles out = reference_conv_forward(shape, in, weight, bias, activation);
    return Floats(out.begin(), out.end());
  };
  Floats expected = convolve(x, 1, 5, 3, Activation::none);
  for (int block = 0; block < 2; ++block) {
    // 0.8 of 5 channels is 4.
    const Floats inner = convolve(convolve(convolve(expected, 5, 20, 1, Activation::relu), 20, 4, 1, Activation::none),
                                  4, 5, 3, Activation::none);
    for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += inner[i];
  }
  expected = convolve(expected, 5, 3, 3, Activation::none);
  REQUIRE(parameter == net.block.parameters().size());

  const Tensor in(stream, {kSamples, kHeight, kWidth}, x);
  Tensor out(stream, {kSamples, kHeight, 3 * kWidth});
  Arena arena(stream.device());
  net.network.apply(stream, arena, net.block, in.view(), out.view());
  // Eight layers in a row.
  CHECK(relative_error(out.values(stream), expected) < 8 * sum_tolerance(9 * 5));

  Tape tape(stream, arena);
  const Var answer = net.network.forward(tape, net.block.bind_constants(tape, net.block.values()),
                                         tape.constant(in.view(0, {1, kSamples, kHeight, kWidth, 1})));
  CHECK(tape.shape(answer) == Shape{1, kSamples, kHeight, kWidth, 3});
  CHECK(same_bits(values_of(stream, tape.value(answer)), out.values(stream)));
}

TEST_CASE("WDSR has 25 narrow channels at 32 and reads their sizes off nothing else", "[wdsr]") {
  ThreadPool pool(1);
  Stream stream(Device{}, pool);
  const TinyNet net(stream, {32, 16, 5});
  CHECK(net.block.parameters()[4].shape == Shape{1, 25, 1, 1, 128});
  CHECK(net.block.parameters().back().shape == Shape{1, 5});
  // Weights and biases of head, blocks, tail.
  CHECK(net.block.size() == (288 + 32) + 16 * (4096 + 128 + 3200 + 25 + 7200 + 32) + (1440 + 5));
  // Uniform within 1 / sqrt(fan in), the bias too.
  for (const std::size_t index : {2u, 3u}) {
    const Floats values = parameter_values(stream, net.block, index);
    const double bound = 1.0 / std::sqrt(32.0);
    const double largest = std::abs(
        static_cast<double>(*std::ranges::max_element(values, {}, [](float value) { return std::abs(value); })));
    CHECK(largest <= bound);
    CHECK(largest > 0.9 * bound);
  }
}

TEST_CASE("WDSR: gradients of input and parameters", "[wdsr]") {
  ON_EVERY_DEVICE(stream);
  const TinyNet net(stream, {5, 1, 2});
  std::vector<Tensor> inputs;
  inputs.push_back(random_tensor(stream, {1, kSamples, kHeight, kWidth, 1}, 3));
  for (const Parameter& parameter : net.block.parameters())
    inputs.emplace_back(stream, parameter.shape,
                        net.block.values().values(stream, parameter.offset, parameter.shape.size()));
  // Kinks of the rectifier: small steps, as in the test of conv2d.
  check_gradients(
      stream,
      [&](Tape& tape, const std::vector<Var>& vars) {
        return net.network.forward(tape, {vars.begin() + 1, vars.end()}, vars[0]);
      },
      std::move(inputs), 1e-2, 2e-3);
}

// Values of PyTorch's OneCycleLR with its defaults; the middle of a half cosine is the mean of its ends.
TEST_CASE("OneCycle rises over 30 % of the steps and falls over the others", "[wdsr]") {
  const auto at = [](std::int64_t step) { return one_cycle(2.0, step, 20); };
  CHECK(static_cast<double>(at(0).learning_rate) == Approx(0.08));
  CHECK(static_cast<double>(at(5).learning_rate) == Approx(2.0));
  CHECK(static_cast<double>(at(12).learning_rate) == Approx(1.000004));
  CHECK(static_cast<double>(at(19).learning_rate) == Approx(8e-6));
  CHECK(static_cast<double>(at(0).beta1) == Approx(0.95));
  CHECK(static_cast<double>(at(5).beta1) == Approx(0.85));
  CHECK(static_cast<double>(at(12).beta1) == Approx(0.9));
  CHECK(static_cast<double>(at(19).beta1) == Approx(0.95));
  CHECK(static_cast<double>(at(0).beta2) == Approx(0.999));
  for (const std::int64_t steps : {1, 2, 3, 4}) {
    const double rate = static_cast<double>(one_cycle(2.0, steps - 1, steps).learning_rate);
    CHECK((rate > 0.0 && rate <= 2.0));
  }
}
