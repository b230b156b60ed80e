// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <utility>
#include <vector>

#include "tests/support/backend.h"
#include "tests/support/compare.h"
#include "tests/support/conv_cases.h"
#include "tests/support/random_data.h"
#include "tests/support/reference.h"

using namespace clade;
using namespace clade::kernels;
using namespace clade::test;

namespace {

/// Emulated devices get what they can bear; real ones the layers of the network, too, whose tiles are chosen for them.
std::vector<ConvCase> cases(const Stream& stream) {
  const bool cuda = !stream.device().is_cpu(), emulated = cuda && kEmulated;
  std::vector<ConvCase> list = edge_cases();
  const auto append = [&](const std::vector<ConvCase>& more) { list.insert(list.end(), more.begin(), more.end()); };
  append(tiled_cases(emulated));
  if (cuda && !emulated) append(network_layers(64, 2));
  return list;
}

struct Data {
  explicit Data(const ConvShape& shape)
      : x(normal_values(shape.input().size(), 1)),
        w(normal_values(shape.weight().size(), 2)),
        bias(normal_values(shape.nets * shape.cout, 3)),
        dy(normal_values(shape.output().size(), 4)) {}
  Floats x, w, bias, dy;
};

Floats run_forward(Stream& stream, const ConvShape& s, const Floats& x, const Floats& w, const Floats& bias,
                   Activation activation, int shift = 0, const Floats& scale = {}, const Floats& residual = {}) {
  const DeviceArray device_x(stream, s.input(), x, shift), device_w(stream, s.weight(), w, shift);
  const Shape channels{s.nets, s.cout};
  const Floats nothing(static_cast<std::size_t>(channels.size()));
  const DeviceArray device_bias(stream, channels, bias.empty() ? nothing : bias, shift);
  const DeviceArray device_scale(stream, channels, scale.empty() ? nothing : scale, shift);
  DeviceArray<float> y(stream, s.output(), shift);
  const View<const float> bias_view = bias.empty() ? View<const float>() : device_bias;
  const View<const float> scale_view = scale.empty() ? View<const float>() : device_scale;
  const DeviceArray device_residual(
      stream, s.output(), residual.empty() ? Floats(static_cast<std::size_t>(s.output().size())) : residual, shift);
  const View<const float> residual_view = residual.empty() ? View<const float>() : device_residual;
  CLADE_KERNEL(conv_forward)(stream, s, device_x, device_w, scale_view, bias_view, activation, residual_view, y);
  return y.values();
}

Floats run_backward_input(Stream& stream, const ConvShape& s, const Floats& dy, const Floats& w, int shift = 0) {
  const DeviceArray device_dy(stream, s.output(), dy, shift), device_w(stream, s.weight(), w, shift);
  DeviceArray<float> dx(stream, s.input(), shift);
  CLADE_KERNEL(conv_backward_input)(stream, s, device_dy, device_w, WriteMode::overwrite, dx);
  return dx.values();
}

Floats run_backward_weight(Stream& stream, const ConvShape& s, const Floats& x, const Floats& dy, int shift = 0) {
  const DeviceArray device_x(stream, s.input(), x, shift), device_dy(stream, s.output(), dy, shift);
  DeviceArray<float> dw(stream, s.weight(), shift);
  CLADE_KERNEL(conv_backward_weight)(stream, s, std::array{ConvUse{device_x, device_dy}}, WriteMode::overwrite, dw);
  return dw.values();
}

/// What a sum of `terms` random products may be off by, relative to its typical value. Rounding both factors to TF32
/// changes a product by up to 2^-10 of it; the changes of many have random signs and add up like the products, and 4
/// covers the largest of many sums. Tensor cores add eight products at a time and may cut the sum off instead of
/// rounding it, so that errors add up.
double tolerance(const Stream& stream, std::int64_t terms) {
  if (stream.device().is_cpu()) return sum_tolerance(terms);
  const double sums = sum_tolerance(terms) + kEpsilon * static_cast<double>(terms) / 8.0;
  return stream.precision() == Precision::fp32 ? sums : sums + 4.0 * 0x1p-10;
}

std::int64_t forward_terms(const ConvShape& s) { return std::int64_t{s.k} * s.k * s.cin; }
std::int64_t input_terms(const ConvShape& s) { return std::int64_t{s.k} * s.k * s.cout; }
std::int64_t weight_terms(const ConvShape& s) { return std::int64_t{s.n} * s.out_h() * s.out_w(); }

Floats sum(Floats a, const Floats& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

Floats to_float(const Doubles& values) { return {values.begin(), values.end()}; }

}  // namespace

TEST_CASE("Reference convolution agrees with sums by hand", "[conv]") {
  // Image 1 2 / 3 4 with a window of ones and reflect padding: the corner reads 1 + 2*2 + 2*3 + 4*4.
  const ConvShape mirror = direct(1, 1, 2, 2, 1, 1, 3, 1, 1, PadMode::reflect);
  const Doubles sums = reference_conv_forward(mirror, {1, 2, 3, 4}, Floats(9, 1.0f), {}, Activation::none);
  CHECK(sums[0] == 1.0 + 4.0 + 6.0 + 16.0);

  // One pixel spread by a transposed convolution: output (i, j) holds tap (i + 1, j + 1).
  const ConvShape spread = transposed(1, 1, 1, 1, 1, 1, 1);
  const Doubles taps = reference_conv_forward(spread, {2}, {1, 2, 3, 4, 5, 6, 7, 8, 9}, {}, Activation::none);
  CHECK(taps == Doubles{10, 12, 16, 18});

  // Upsampling 1 2 gives 1 1 2 2; with the middle row of taps 1 10 100 each output reads its neighbours.
  const ConvShape doubled = resize(1, 1, 1, 2, 1, 1);
  const Doubles line = reference_conv_forward(doubled, {1, 2}, {0, 0, 0, 1, 10, 100, 0, 0, 0}, {}, Activation::none);
  CHECK(line == Doubles{111, 211, 221, 222, 111, 211, 221, 222});
}

// Also <conv(x, w), dy> = <x, dx> = <w, dw>: each side carries relative errors of its factors and sums on a sum of
// random sign, so the difference is measured against the norms.
TEST_CASE("Convolution and its gradients agree with the definition and are adjoints", "[conv]") {
  ON_EVERY_DEVICE(stream);
  for (const auto& [name, s] : cases(stream)) {
    s.check();
    const Data data(s);
    const Doubles expected_y = reference_conv_forward(s, data.x, data.w, {}, Activation::none);
    const Doubles expected_dx = reference_conv_backward_input(s, data.dy, data.w);
    const Doubles expected_dw = reference_conv_backward_weight(s, data.x, data.dy);
    for (const Precision precision : test_precisions(stream.device())) {
      stream.set_precision(precision);
      INFO(name << " in " << precision_name(precision));
      const Floats y = run_forward(stream, s, data.x, data.w, {}, Activation::none);
      const Floats dx = run_backward_input(stream, s, data.dy, data.w);
      const Floats dw = run_backward_weight(stream, s, data.x, data.dy);
      CHECK(relative_error(y, expected_y) < tolerance(stream, forward_terms(s)));
      CHECK(relative_error(dx, expected_dx) < tolerance(stream, input_terms(s)));
      CHECK(relative_error(dw, expected_dw) < tolerance(stream, weight_terms(s)));

      const double unit = precision == Precision::fp32 ? kEpsilon : 0x1p-10;
      const double product = inner_product(y, data.dy), bound = 8.0 * unit * norm(y) * norm(data.dy);
      CHECK(std::abs(product - inner_product(data.x, dx)) < bound);
      CHECK(std::abs(product - inner_product(data.w, dw)) < bound);
    }
  }
}

// The CUDA kernels have larger tiles for 128 or more output channels of thousands of pixels. That many channels on both
// sides would cost an emulated device too much.
TEST_CASE("Convolution of many pixels and channels agrees with the definition", "[conv]") {
  IN_EVERY_PRECISION(stream);
  const ConvShape wide = direct(1, 1, 65, 64, 36, 132, 1, 1, 0, PadMode::zero);
  const Data data(wide);
  CHECK(relative_error(run_forward(stream, wide, data.x, data.w, data.bias, Activation::relu),
                       reference_conv_forward(wide, data.x, data.w, data.bias, Activation::relu)) <
        tolerance(stream, forward_terms(wide)));
  const ConvShape narrow = direct(1, 1, 65, 64, 132, 36, 1, 1, 0, PadMode::zero);
  const Data adjoint(narrow);
  CHECK(relative_error(run_backward_input(stream, narrow, adjoint.dy, adjoint.w),
                       reference_conv_backward_input(narrow, adjoint.dy, adjoint.w)) <
        tolerance(stream, input_terms(narrow)));
}

TEST_CASE("Convolution fuses scale, bias and activation", "[conv]") {
  IN_EVERY_PRECISION(stream);
  const auto activation = GENERATE(Activation::none, Activation::relu, Activation::leaky_relu, Activation::tanh);
  for (const ConvShape& s :
       {direct(2, 2, 5, 6, 7, 9, 3, 1, 1, PadMode::reflect), direct(2, 1, 5, 4, 6, 1, 3, 1, 1, PadMode::reflect),
        direct(2, 1, 6, 6, 1, 8, 4, 2, 1, PadMode::zero), direct(1, 1, 4, 4, 100, 36, 3, 1, 1, PadMode::reflect),
        transposed(2, 2, 3, 4, 5, 6, 1), resize(2, 2, 3, 4, 5, 6), direct(2, 3, 3, 4, 5, 6, 1, 1, 0, PadMode::zero),
        transposed(2, 3, 3, 4, 5, 6, 0, 1, 1, 0)}) {
    INFO("kind " << static_cast<int>(s.kind) << ", channels " << s.cin << " to " << s.cout);
    Data data(s);
    for (float& value : data.w) value *= 0.1f;  // keeps tanh away from saturation, where nothing could differ
    // tanh adds its own rounding, of a few units in the last place.
    CHECK(relative_error(run_forward(stream, s, data.x, data.w, data.bias, activation),
                         reference_conv_forward(s, data.x, data.w, data.bias, activation)) <
          tolerance(stream, forward_terms(s)) + 4.0 * kEpsilon);

    const Floats scale = normal_values(s.nets * s.cout, 5);
    Doubles expected = reference_conv_forward(s, data.x, data.w, {}, Activation::none);
    const std::size_t channels = static_cast<std::size_t>(s.cout), per_net = expected.size() / s.nets;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const std::size_t channel = i / per_net * channels + i % channels;
      expected[i] = reference_activation(activation, scale[channel] * expected[i] + data.bias[channel]);
    }
    CHECK(relative_error(run_forward(stream, s, data.x, data.w, data.bias, activation, 0, scale), expected) <
          2.0 * tolerance(stream, forward_terms(s)) + 4.0 * kEpsilon);  // scales weigh channels, some more than 1
  }
}

// Whole numbers make every product and sum exact in any order, even with factors rounded to TF32.
TEST_CASE("Convolution of small whole numbers is exact, onto what is there as well", "[conv]") {
  ON_EVERY_DEVICE(stream);
  stream.set_precision(Precision::tf32);
  for (const auto& [name, s] : cases(stream)) {
    INFO(name);
    const Floats x = integer_values(s.input().size(), 1), w = integer_values(s.weight().size(), 2);
    const Floats dy = integer_values(s.output().size(), 3);
    CHECK(same_bits(run_forward(stream, s, x, w, {}, Activation::none),
                    to_float(reference_conv_forward(s, x, w, {}, Activation::none))));
    const Floats residual = integer_values(s.output().size(), 6);
    CHECK(same_bits(run_forward(stream, s, x, w, {}, Activation::relu, 0, {}, residual),
                    sum(to_float(reference_conv_forward(s, x, w, {}, Activation::relu)), residual)));

    const DeviceArray device_x(stream, s.input(), x), device_w(stream, s.weight(), w);
    const DeviceArray device_dy(stream, s.output(), dy);
    const Floats dx0 = integer_values(s.input().size(), 4), dw0 = integer_values(s.weight().size(), 5);
    DeviceArray dx(stream, s.input(), dx0), dw(stream, s.weight(), dw0);
    CLADE_KERNEL(conv_backward_input)(stream, s, device_dy, device_w, WriteMode::accumulate, dx);
    CLADE_KERNEL(conv_backward_weight)(stream, s, std::array{ConvUse{device_x, device_dy}}, WriteMode::accumulate, dw);
    CHECK(same_bits(dx.values(), sum(dx0, to_float(reference_conv_backward_input(s, dy, w)))));
    CHECK(same_bits(dw.values(), sum(dw0, to_float(reference_conv_backward_weight(s, x, dy)))));
  }
}

TEST_CASE("Convolution in BF16 agrees with the definition up to BF16's rounding", "[conv]") {
  ON_EVERY_DEVICE(stream);
  if (stream.device().is_cpu()) return;  // knows float32 only
  stream.set_precision(Precision::bf16);
  for (const ConvShape& s :
       {direct(2, 2, 6, 5, 40, 72, 3, 1, 1, PadMode::reflect), direct(1, 1, 65, 64, 36, 132, 1, 1, 0, PadMode::zero),
        direct(1, 2, 8, 8, 16, 32, 4, 2, 1, PadMode::zero), transposed(2, 1, 5, 4, 36, 20, 1),
        resize(1, 2, 4, 5, 20, 16), direct(1, 1, 5, 5, 7, 9, 3, 1, 1, PadMode::zero)}) {
    INFO("kind " << static_cast<int>(s.kind) << ", channels " << s.cin << " to " << s.cout);
    const Data data(s);
    const Doubles expected = reference_conv_forward(s, data.x, data.w, {}, Activation::none);
    const Floats rounded = run_forward(stream, s, data.x, data.w, {}, Activation::none);
    const bool vectorised = s.cin % 4 == 0 && s.cout % 4 == 0;  // what is not is computed in float32
    const double sums = 2.0 * sum_tolerance(forward_terms(s)), error = relative_error(rounded, expected);
    CHECK(error < sums + (vectorised ? 4.0 * 0x1p-7 : 0.0));
    if (vectorised) CHECK(error > 0x1p-11);  // it is BF16 indeed

    // Of 8 bits and less every product and sum is exact.
    const Floats x = integer_values(s.input().size(), 1), w = integer_values(s.weight().size(), 2);
    CHECK(same_bits(run_forward(stream, s, x, w, {}, Activation::none),
                    to_float(reference_conv_forward(s, x, w, {}, Activation::none))));
  }
}

TEST_CASE("Weight gradients of several uses are their sum", "[conv]") {
  ON_EVERY_DEVICE(stream);
  stream.set_precision(Precision::tf32);
  for (ConvShape s : {direct(2, 3, 8, 8, 64, 64, 3, 1, 1, PadMode::reflect), direct(2, 1, 6, 5, 12, 8, 4, 2, 1, PadMode::zero),
                      direct(2, 1, 5, 5, 6, 1, 3, 1, 1, PadMode::zero), transposed(2, 2, 3, 4, 8, 12, 1),
                      resize(2, 1, 3, 4, 5, 6)}) {
    INFO("kind " << static_cast<int>(s.kind) << ", channels " << s.cin << " to " << s.cout);
    const Floats dw0 = integer_values(s.weight().size(), 9);
    for (const std::vector<int>& samples : {std::vector{2, 1}, {1, 1, 2}}) {
      std::vector<DeviceArray<float>> images;
      std::vector<ConvUse> uses;
      Floats expected = dw0;
      for (int n : samples) {
        s.n = n;
        const Floats x = integer_values(s.input().size(), static_cast<unsigned>(n)),
                     dy = integer_values(s.output().size(), 7u + static_cast<unsigned>(uses.size()));
        images.emplace_back(stream, s.input(), x);
        const View<const float> device_x = images.back();
        images.emplace_back(stream, s.output(), dy);
        uses.push_back({device_x, images.back()});
        expected = sum(expected, to_float(reference_conv_backward_weight(s, x, dy)));
      }
      DeviceArray dw(stream, s.weight(), dw0);
      CLADE_KERNEL(conv_backward_weight)(stream, s, std::span(uses), WriteMode::accumulate, dw);
      if (s.cin == 64) {  // where the CPU takes Winograd, which rounds
        CHECK(relative_error(dw.values(), expected) < sum_tolerance(4 * 64));
      } else {
        CHECK(same_bits(dw.values(), expected));
      }
    }
  }
}

// Parameters of odd size shift those behind them off the addresses that wide loads need.
TEST_CASE("Convolution takes operands at any address", "[conv]") {
  IN_EVERY_PRECISION(stream);
  for (const ConvShape& s :
       {direct(1, 2, 6, 5, 16, 32, 3, 1, 1, PadMode::reflect), direct(1, 1, 6, 6, 1, 16, 4, 2, 1, PadMode::zero),
        direct(1, 1, 5, 5, 16, 1, 3, 1, 1, PadMode::zero), transposed(1, 1, 4, 4, 16, 16, 1),
        resize(1, 1, 4, 4, 16, 16)}) {
    INFO("kind " << static_cast<int>(s.kind) << ", channels " << s.cin << " to " << s.cout);
    const Floats x = integer_values(s.input().size(), 1), w = integer_values(s.weight().size(), 2);
    const Floats bias = integer_values(s.nets * s.cout, 3), dy = integer_values(s.output().size(), 4);
    CHECK(same_bits(run_forward(stream, s, x, w, bias, Activation::relu, 1),
                    to_float(reference_conv_forward(s, x, w, bias, Activation::relu))));
    CHECK(same_bits(run_backward_input(stream, s, dy, w, 1), to_float(reference_conv_backward_input(s, dy, w))));
    CHECK(same_bits(run_backward_weight(stream, s, x, dy, 1), to_float(reference_conv_backward_weight(s, x, dy))));
  }
}

TEST_CASE("Convolution gives the same bits again, whatever the number of threads, and its workspace back", "[conv]") {
  const Device device = GENERATE(from_range(test_devices()));
  const bool cuda = !device.is_cpu();
  TestStream first(Backend{device, Precision::tf32}, 1);
  const auto at = [](Stream& stream) {
    const Arena::Mark mark = stream.scratch().mark();
    return std::pair(mark.chunk, mark.offset);
  };
  const auto before = at(first.stream);
  for (const int threads : {2, 3}) {
    if (cuda && threads == 3) continue;  // there, threads of the host take no part
    TestStream again(Backend{device, Precision::tf32}, threads);
    // Only what is cut into several pieces could be put together in another order.
    for (const auto& [name, s] : cuda&& kEmulated ? tiled_cases(true) : cases(first.stream)) {
      INFO(name << " on " << device << ", " << threads << " threads");
      const Data data(s);
      CHECK(same_bits(run_forward(again.stream, s, data.x, data.w, data.bias, Activation::relu),
                      run_forward(first.stream, s, data.x, data.w, data.bias, Activation::relu)));
      CHECK(same_bits(run_backward_input(again.stream, s, data.dy, data.w),
                      run_backward_input(first.stream, s, data.dy, data.w)));
      CHECK(same_bits(run_backward_weight(again.stream, s, data.x, data.dy),
                      run_backward_weight(first.stream, s, data.x, data.dy)));
      CHECK(at(first.stream) == before);
    }
  }
}
