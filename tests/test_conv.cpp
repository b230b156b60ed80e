// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <vector>

#include "core/device.h"
#include "kernels/kernels.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"
#include "tests/support/random_data.h"
#include "tests/support/reference.h"

using namespace clade;
using namespace clade::kernels;
using namespace clade::test;

namespace {

struct Case {
  const char* name;
  ConvShape shape;
};

ConvShape direct(int nets, int n, int h, int w, int cin, int cout, int k, int stride, int pad, PadMode mode) {
  return {nets, n, h, w, cin, cout, k, stride, pad, mode, ConvKind::direct, 0};
}
ConvShape transposed(int nets, int n, int h, int w, int cin, int cout, int output_padding, int k = 3, int stride = 2,
                     int pad = 1) {
  return {nets, n, h, w, cin, cout, k, stride, pad, PadMode::zero, ConvKind::transposed, output_padding};
}
ConvShape resize(int nets, int n, int h, int w, int cin, int cout) {
  return {nets, n, h, w, cin, cout, 3, 1, 1, PadMode::reflect, ConvKind::resize, 0};
}

// Odd sizes and channel counts that fill no tile, the smallest legal reflections, every kind with several nets, and
// enough samples or depth that work is cut into several chunks and tiles.
const std::vector<Case>& cases() {
  static const std::vector<Case> list = {
      {"1x1", direct(1, 1, 3, 5, 7, 3, 1, 1, 0, PadMode::zero)},
      {"zero pad, odd", direct(2, 2, 7, 5, 3, 5, 3, 1, 1, PadMode::zero)},
      {"no pad, whole image", direct(1, 2, 4, 4, 3, 6, 4, 1, 0, PadMode::zero)},
      {"stride 2, odd", direct(2, 1, 9, 7, 5, 6, 3, 2, 1, PadMode::zero)},
      {"stride 2, 4x4", direct(2, 2, 8, 9, 1, 8, 4, 2, 1, PadMode::zero)},
      {"stride 3, reflect", direct(1, 1, 10, 11, 2, 3, 5, 3, 2, PadMode::reflect)},
      {"reflect 1 on 2x2", direct(2, 1, 2, 2, 4, 5, 3, 1, 1, PadMode::reflect)},
      {"reflect 3 on 4x4", direct(1, 2, 4, 4, 1, 9, 7, 1, 3, PadMode::reflect)},
      {"replicate on one pixel", direct(1, 1, 1, 1, 3, 4, 3, 1, 1, PadMode::replicate)},
      {"replicate", direct(1, 1, 4, 6, 3, 4, 5, 1, 2, PadMode::replicate)},
      {"to one channel, reflect 3 on 4x4", direct(1, 2, 4, 4, 5, 1, 7, 1, 3, PadMode::reflect)},
      {"to one channel, several nets", direct(3, 2, 9, 11, 35, 1, 7, 1, 3, PadMode::reflect)},
      {"to one channel, zero pad 4x4", direct(2, 2, 3, 3, 17, 1, 4, 1, 1, PadMode::zero)},
      {"to one channel, stride 2", direct(1, 1, 7, 6, 3, 1, 3, 2, 1, PadMode::zero)},
      {"one channel to one", direct(1, 1, 5, 4, 1, 1, 3, 1, 1, PadMode::reflect)},
      {"several tiles", direct(2, 3, 8, 8, 80, 150, 3, 1, 1, PadMode::reflect)},
      {"several chunks", direct(1, 9, 32, 32, 16, 3, 3, 1, 1, PadMode::zero)},
      {"to one channel, several chunks", direct(1, 25, 32, 32, 2, 1, 7, 1, 3, PadMode::reflect)},
      {"transposed", transposed(2, 2, 5, 4, 6, 5, 1)},
      {"transposed, no output padding", transposed(1, 1, 4, 3, 3, 7, 0)},
      {"transposed, one pixel", transposed(1, 1, 1, 1, 4, 3, 1)},
      {"transposed to one channel", transposed(1, 2, 3, 3, 4, 1, 1)},
      {"transposed, stride 1", transposed(1, 1, 4, 5, 3, 2, 0, 3, 1, 0)},
      {"transposed, stride 3", transposed(1, 1, 3, 4, 2, 3, 2, 4, 3, 1)},
      {"transposed, several tiles", transposed(2, 3, 8, 8, 130, 76, 1)},
      {"resize", resize(2, 2, 4, 5, 6, 7)},
      {"resize, one pixel", resize(1, 1, 1, 1, 3, 2)},
      {"resize, one line", resize(1, 1, 1, 4, 3, 2)},
      {"resize to one channel", resize(1, 2, 3, 3, 5, 1)},
      {"resize, several chunks", resize(1, 40, 16, 16, 3, 32)},
  };
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
                   Activation activation) {
  Floats y(static_cast<std::size_t>(s.output().size()), -7.0f);
  const View<const float> bias_view = bias.empty() ? View<const float>() : view(bias, {s.nets, s.cout});
  cpu::conv_forward(stream, s, view(x, s.input()), view(w, s.weight()), bias_view, activation, view(y, s.output()));
  return y;
}

Floats run_backward_input(Stream& stream, const ConvShape& s, const Floats& dy, const Floats& w, WriteMode mode,
                          Floats dx) {
  cpu::conv_backward_input(stream, s, view(dy, s.output()), view(w, s.weight()), mode, view(dx, s.input()));
  return dx;
}

Floats run_backward_weight(Stream& stream, const ConvShape& s, const Floats& x, const Floats& dy, WriteMode mode,
                           Floats dw) {
  cpu::conv_backward_weight(stream, s, view(x, s.input()), view(dy, s.output()), mode, view(dw, s.weight()));
  return dw;
}

/// Old contents that a kernel must overwrite.
Floats stale(const Shape& shape) { return Floats(static_cast<std::size_t>(shape.size()), 5.0f); }

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

TEST_CASE("Convolution forward agrees with the definition", "[conv]") {
  ThreadPool pool(2);
  Stream stream(Device{}, pool);
  for (const Case& c : cases()) {
    INFO(c.name);
    const ConvShape& s = c.shape;
    s.check();
    const Data data(s);
    const double tolerance = sum_tolerance(s.k * s.k * s.cin);
    CHECK(relative_error(run_forward(stream, s, data.x, data.w, {}, Activation::none),
                         reference_conv_forward(s, data.x, data.w, {}, Activation::none)) < tolerance);
  }
}

TEST_CASE("Convolution fuses bias and activation", "[conv]") {
  ThreadPool pool(2);
  Stream stream(Device{}, pool);
  const auto activation = GENERATE(Activation::none, Activation::relu, Activation::leaky_relu, Activation::tanh);
  for (const ConvShape& s :
       {direct(2, 2, 5, 6, 7, 9, 3, 1, 1, PadMode::reflect), direct(2, 1, 5, 4, 6, 1, 3, 1, 1, PadMode::reflect),
        transposed(2, 2, 3, 4, 5, 6, 1), resize(2, 2, 3, 4, 5, 6)}) {
    INFO("kind " << static_cast<int>(s.kind) << ", channels " << s.cout);
    Data data(s);
    for (float& value : data.w) value *= 0.1f;  // keeps tanh away from saturation, where nothing could differ
    // tanh adds its own rounding, of a few units in the last place.
    CHECK(relative_error(run_forward(stream, s, data.x, data.w, data.bias, activation),
                         reference_conv_forward(s, data.x, data.w, data.bias, activation)) <
          sum_tolerance(s.k * s.k * s.cin) + 4.0 * kEpsilon);
  }
}

TEST_CASE("Convolution gradients agree with the definition", "[conv]") {
  ThreadPool pool(2);
  Stream stream(Device{}, pool);
  for (const Case& c : cases()) {
    INFO(c.name);
    const ConvShape& s = c.shape;
    const Data data(s);
    CHECK(relative_error(run_backward_input(stream, s, data.dy, data.w, WriteMode::overwrite, stale(s.input())),
                         reference_conv_backward_input(s, data.dy, data.w)) < sum_tolerance(s.k * s.k * s.cout));
    CHECK(relative_error(run_backward_weight(stream, s, data.x, data.dy, WriteMode::overwrite, stale(s.weight())),
                         reference_conv_backward_weight(s, data.x, data.dy)) <
          sum_tolerance(s.n * s.out_h() * s.out_w()));
  }
}

// <conv(x, w), dy> = <x, dx> = <w, dw>. Each side carries relative errors as above on a sum of random sign, so the
// difference is measured against the norms.
TEST_CASE("Convolution gradients are adjoints", "[conv]") {
  ThreadPool pool(2);
  Stream stream(Device{}, pool);
  for (const Case& c : cases()) {
    INFO(c.name);
    const ConvShape& s = c.shape;
    const Data data(s);
    const Floats y = run_forward(stream, s, data.x, data.w, {}, Activation::none);
    const Floats dx = run_backward_input(stream, s, data.dy, data.w, WriteMode::overwrite, stale(s.input()));
    const Floats dw = run_backward_weight(stream, s, data.x, data.dy, WriteMode::overwrite, stale(s.weight()));
    const double product = inner_product(y, data.dy);
    CHECK(std::abs(product - inner_product(data.x, dx)) < 8.0 * kEpsilon * norm(y) * norm(data.dy));
    CHECK(std::abs(product - inner_product(data.w, dw)) < 8.0 * kEpsilon * norm(y) * norm(data.dy));
  }
}

// Whole numbers make every sum exact, so accumulation has to be exact too.
TEST_CASE("Convolution gradients accumulate onto what is there", "[conv]") {
  ThreadPool pool(2);
  Stream stream(Device{}, pool);
  for (const Case& c : cases()) {
    INFO(c.name);
    const ConvShape& s = c.shape;
    const Floats x = integer_values(s.input().size(), 1), w = integer_values(s.weight().size(), 2);
    const Floats dy = integer_values(s.output().size(), 3);
    const Floats dx0 = integer_values(s.input().size(), 4), dw0 = integer_values(s.weight().size(), 5);
    Floats dx = run_backward_input(stream, s, dy, w, WriteMode::overwrite, stale(s.input()));
    Floats dw = run_backward_weight(stream, s, x, dy, WriteMode::overwrite, stale(s.weight()));
    for (std::size_t i = 0; i < dx.size(); ++i) dx[i] += dx0[i];
    for (std::size_t i = 0; i < dw.size(); ++i) dw[i] += dw0[i];
    CHECK(same_bits(run_backward_input(stream, s, dy, w, WriteMode::accumulate, dx0), dx));
    CHECK(same_bits(run_backward_weight(stream, s, x, dy, WriteMode::accumulate, dw0), dw));
  }
}

TEST_CASE("Convolution results do not depend on the number of threads", "[conv]") {
  ThreadPool one(1);
  Stream serial(Device{}, one);
  for (const int threads : {2, 3}) {
    ThreadPool pool(threads);
    Stream stream(Device{}, pool);
    for (const Case& c : cases()) {
      INFO(c.name << ", " << threads << " threads");
      const ConvShape& s = c.shape;
      const Data data(s);
      CHECK(same_bits(run_forward(stream, s, data.x, data.w, data.bias, Activation::relu),
                      run_forward(serial, s, data.x, data.w, data.bias, Activation::relu)));
      CHECK(same_bits(run_backward_input(stream, s, data.dy, data.w, WriteMode::overwrite, stale(s.input())),
                      run_backward_input(serial, s, data.dy, data.w, WriteMode::overwrite, stale(s.input()))));
      CHECK(same_bits(run_backward_weight(stream, s, data.x, data.dy, WriteMode::overwrite, stale(s.weight())),
                      run_backward_weight(serial, s, data.x, data.dy, WriteMode::overwrite, stale(s.weight()))));
    }
  }
}

TEST_CASE("Convolution gives its workspace back", "[conv]") {
  ThreadPool pool(1);
  Stream stream(Device{}, pool);
  for (const Case& c : cases()) {
    INFO(c.name);
    const Data data(c.shape);
    const void* before = stream.scratch().allocate(1);
    stream.scratch().reset();
    run_forward(stream, c.shape, data.x, data.w, data.bias, Activation::none);
    CHECK(stream.scratch().allocate(1) == before);
    stream.scratch().reset();
  }
}

TEST_CASE("Bias gradient sums over samples and pixels", "[conv]") {
  ThreadPool pool(2);
  Stream stream(Device{}, pool);
  const int channels = GENERATE(1, 5, 16, 37);
  const Shape shape{2, 3, 5, 4, channels};
  const Floats dy = normal_values(shape.size(), 1);
  Doubles expected(static_cast<std::size_t>(2 * channels), 1.0);
  for (std::size_t i = 0; i < dy.size(); ++i) expected[i / (dy.size() / 2) * channels + i % channels] += dy[i];

  Floats dbias(expected.size(), 1.0f);
  cpu::bias_backward(stream, view(dy, shape), WriteMode::accumulate, view(dbias, {2, channels}));
  CHECK(relative_error(dbias, expected) < 2.0 * kEpsilon);  // one rounding of a sum in double, one of the addition
  cpu::bias_backward(stream, view(dy, shape), WriteMode::overwrite, view(dbias, {2, channels}));
  for (double& value : expected) value -= 1.0;
  CHECK(relative_error(dbias, expected) < 2.0 * kEpsilon);
}
