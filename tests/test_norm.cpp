// SPDX-License-Identifier: Apache-2.0
#include "tests/support/backend.h"
#include "tests/support/compare.h"
#include "tests/support/random_data.h"
#include "tests/support/reference.h"

using namespace clade;
using namespace clade::kernels;
using namespace clade::test;

namespace {

constexpr float kNormEpsilon = 1e-5f;

struct Normalised {
  Floats y, statistics;
};

Normalised forward(Stream& stream, Activation activation, const Shape& shape, const Floats& x, int shift = 0) {
  DeviceArray<float> y(stream, shape, shift), statistics(stream, {shape[0], shape[1], shape[4], 2}, shift);
  CLADE_KERNEL(instance_norm_forward)(stream, kNormEpsilon, activation, DeviceArray(stream, shape, x, shift), y,
                                      statistics);
  return {y.values(), statistics.values()};
}

Floats backward(Stream& stream, Activation activation, const Shape& shape, const Floats& x, const Floats& statistics,
                const Floats& dy, WriteMode mode, const Floats& before, int shift = 0) {
  DeviceArray dx(stream, shape, before, shift);
  CLADE_KERNEL(instance_norm_backward)(stream, activation, DeviceArray(stream, shape, x, shift),
                                       DeviceArray(stream, {shape[0], shape[1], shape[4], 2}, statistics, shift),
                                       DeviceArray(stream, shape, dy, shift), mode, dx);
  return dx.values();
}

int as_int(std::int64_t value) { return static_cast<int>(value); }

Doubles reference(Activation activation, const Shape& s, const Floats& x) {
  return reference_instance_norm(kNormEpsilon, activation, x, as_int(s[0] * s[1]), as_int(s[2] * s[3]), as_int(s[4]));
}

std::vector<Shape> shapes() { return {{1, 1, 2, 2, 1}, {2, 3, 5, 3, 7}, {1, 2, 4, 6, 16}, {2, 1, 8, 8, 37}}; }

}  // namespace

TEST_CASE("Instance norm agrees with the definition", "[norm]") {
  ON_EVERY_DEVICE(stream);
  const auto activation = GENERATE(Activation::none, Activation::relu, Activation::leaky_relu);
  for (const Shape& shape : shapes()) {
    INFO(shape);
    const Floats x = normal_values(shape.size(), 1);
    // Statistics are in double and rounded once; subtraction and product round once each, on values of order 1.
    CHECK(relative_error(forward(stream, activation, shape, x).y, reference(activation, shape, x)) < 8.0 * kEpsilon);
  }
}

TEST_CASE("Instance norm keeps its precision far from zero", "[norm]") {
  ON_EVERY_DEVICE(stream);
  const Shape shape{1, 1, 8, 8, 3};
  Floats x = normal_values(shape.size(), 1);
  for (float& value : x) value += 1000.0f;
  // The stored mean is rounded to 2^-15 there; single-pass statistics in float would be off by more than 0.01.
  CHECK(relative_error(forward(stream, Activation::none, shape, x).y, reference(Activation::none, shape, x)) < 5e-5);
}

TEST_CASE("Instance norm of a constant is zero", "[norm]") {
  ON_EVERY_DEVICE(stream);
  const Shape shape{1, 1, 3, 3, 2};
  const Normalised result = forward(stream, Activation::none, shape, Floats(18, 0.3f));
  for (float value : result.y) CHECK(value == 0.0f);
  CHECK(result.statistics[1] == Approx(1.0 / std::sqrt(1e-5)));
}

TEST_CASE("Instance norm gradient agrees with finite differences", "[norm]") {
  ON_EVERY_DEVICE(stream);
  const auto activation = GENERATE(Activation::none, Activation::relu, Activation::leaky_relu);
  for (const Shape& shape : shapes()) {
    INFO(shape);
    const Floats x = normal_values(shape.size(), 1), dy = normal_values(shape.size(), 2);
    const Normalised normalised = forward(stream, activation, shape, x);
    const Floats dx =
        backward(stream, activation, shape, x, normalised.statistics, dy, WriteMode::overwrite, Floats(x.size(), 9.0f));
    // Central differences of <y(x), dy>. x is float, so the step is the distance that was really made. A step over
    // the kink of an activation would spoil the difference: a few of the values are skipped for that.
    const Doubles centre = reference(Activation::none, shape, x);
    for (std::size_t i = 0; i < x.size(); i += std::max<std::size_t>(1, x.size() / 40)) {
      const auto moved = [&](float by) {
        Floats shifted(x);
        shifted[i] += by;
        return shifted;
      };
      const Floats above = moved(1e-3f), below = moved(-1e-3f);
      const Doubles z_above = reference(Activation::none, shape, above);
      const Doubles z_below = reference(Activation::none, shape, below);
      bool kink = false;
      for (std::size_t j = 0; j < x.size(); ++j) kink = kink || z_above[j] * z_below[j] <= 0.0;
      if (kink && activation != Activation::none) continue;
      const double difference = (inner_product(reference(activation, shape, above), dy) -
                                 inner_product(reference(activation, shape, below), dy)) /
                                (static_cast<double>(above[i]) - below[i]);
      CHECK(difference == Approx(static_cast<double>(dx[i])).margin(2e-5));  // third-order error of the stencil
    }
  }
}

TEST_CASE("Instance norm gradient is orthogonal to shifts and scalings, and accumulates", "[norm]") {
  ON_EVERY_DEVICE(stream);
  const Shape shape{2, 2, 6, 5, 9};
  const Floats x = normal_values(shape.size(), 1), dy = normal_values(shape.size(), 2);
  const Floats before = normal_values(shape.size(), 3);
  const Normalised normalised = forward(stream, Activation::relu, shape, x);
  const Floats dx =
      backward(stream, Activation::relu, shape, x, normalised.statistics, dy, WriteMode::overwrite, before);
  Doubles sums(2 * 2 * 9);
  for (std::size_t i = 0; i < dx.size(); ++i) sums[i / (30 * 9) * 9 + i % 9] += dx[i];
  for (double sum : sums) CHECK(std::abs(sum) < 1e-5);

  Floats expected(before);
  for (std::size_t i = 0; i < dx.size(); ++i) expected[i] += dx[i];
  // The accumulating form may fuse a product into the addition.
  CHECK(relative_error(
            backward(stream, Activation::relu, shape, x, normalised.statistics, dy, WriteMode::accumulate, before),
            expected) < 4.0 * kEpsilon);
}

TEST_CASE("Instance norm gives the same bits again, whatever the number of threads and the address", "[norm]") {
  const Device device = GENERATE(from_range(test_devices()));
  INFO("on " << device);
  TestStream serial(device, 1), parallel(device, 3);
  const Shape shape{2, 2, 8, 8, 37};
  const Floats x = normal_values(shape.size(), 1), dy = normal_values(shape.size(), 2);
  const Normalised a = forward(serial.stream, Activation::relu, shape, x);
  const Normalised b = forward(parallel.stream, Activation::relu, shape, x, 1);
  CHECK(same_bits(a.y, b.y));
  CHECK(same_bits(a.statistics, b.statistics));
  CHECK(
      same_bits(backward(serial.stream, Activation::relu, shape, x, a.statistics, dy, WriteMode::overwrite, dy),
                backward(parallel.stream, Activation::relu, shape, x, a.statistics, dy, WriteMode::overwrite, dy, 1)));
}
