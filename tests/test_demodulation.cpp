// SPDX-License-Identifier: Apache-2.0
#include "tests/support/backend.h"
#include "tests/support/compare.h"
#include "tests/support/random_data.h"
#include "tests/support/reference.h"

using namespace clade;
using namespace clade::kernels;
using namespace clade::test;

namespace {

constexpr float kDemodulationEpsilon = 1e-8f;

/// Output channel of weight i, counted over all nets.
std::size_t channel_of(OutputDimension dimension, const Shape& shape, std::size_t i) {
  const auto size = [&](int axis) { return static_cast<std::size_t>(shape[axis]); };
  const std::size_t net = i / (size(1) * size(2) * size(3) * size(4));
  return dimension == OutputDimension::first ? i / (size(2) * size(3) * size(4)) : net * size(4) + i % size(4);
}

/// What the next layer sees: the weights times the scales.
Doubles reference_demodulate(OutputDimension dimension, const Shape& shape, const Doubles& w, Doubles& scale) {
  for (double& value : scale) value = static_cast<double>(kDemodulationEpsilon);
  for (std::size_t i = 0; i < w.size(); ++i) scale[channel_of(dimension, shape, i)] += w[i] * w[i];
  for (double& value : scale) value = 1.0 / std::sqrt(value);
  Doubles u(w);
  for (std::size_t i = 0; i < u.size(); ++i) u[i] *= scale[channel_of(dimension, shape, i)];
  return u;
}

struct Fixture {
  Fixture(OutputDimension output_dimension, const Shape& weight_shape)
      : dimension(output_dimension),
        shape(weight_shape),
        scale_shape{shape[0], shape[output_dimension == OutputDimension::first ? 1 : 4]},
        w(normal_values(shape.size(), 1)),
        scale(static_cast<std::size_t>(scale_shape.size())) {}

  void run(Stream& stream) {
    DeviceArray<float> device_scale(stream, scale_shape);
    CLADE_KERNEL(demodulation_scales)(stream, dimension, kDemodulationEpsilon, DeviceArray(stream, shape, w),
                                      device_scale);
    scale = device_scale.values();
  }
  /// The gradient in w for one in what the next layer sees.
  Floats backward(Stream& stream, const Floats& du) const {
    Floats partial(du);
    for (std::size_t i = 0; i < du.size(); ++i) partial[i] *= scale[channel_of(dimension, shape, i)];
    DeviceArray dw(stream, shape, partial);
    CLADE_KERNEL(demodulation_backward)(stream, dimension, DeviceArray(stream, shape, w),
                                        DeviceArray(stream, scale_shape, scale), dw);
    return dw.values();
  }

  OutputDimension dimension;
  Shape shape, scale_shape;
  Floats w, scale;
};

std::vector<Shape> shapes() { return {{1, 1, 1, 1, 1}, {2, 5, 3, 3, 7}, {2, 33, 2, 2, 37}, {1, 16, 3, 3, 16}}; }

}  // namespace

TEST_CASE("Demodulation scales agree with the definition and give unit norm", "[demodulation]") {
  ON_EVERY_DEVICE(stream);
  const auto dimension = GENERATE(OutputDimension::first, OutputDimension::last);
  for (const Shape& shape : shapes()) {
    INFO(shape);
    Fixture f(dimension, shape);
    f.run(stream);
    Doubles scale(f.scale.size());
    reference_demodulate(dimension, shape, {f.w.begin(), f.w.end()}, scale);
    CHECK(relative_error(f.scale, scale) < 4.0 * kEpsilon);  // the sum is in double: the scale is rounded once

    Doubles power(f.scale.size());
    for (std::size_t i = 0; i < f.w.size(); ++i) {
      const std::size_t channel = channel_of(dimension, f.shape, i);
      const double u = static_cast<double>(f.w[i]) * f.scale[channel];
      power[channel] += u * u;
    }
    for (double value : power) CHECK(value == Approx(1.0).epsilon(1e-5));
  }
}

TEST_CASE("Demodulation does not see the scale of its weights", "[demodulation]") {
  ON_EVERY_DEVICE(stream);
  const auto dimension = GENERATE(OutputDimension::first, OutputDimension::last);
  Fixture plain(dimension, {2, 5, 3, 3, 7}), larger(dimension, {2, 5, 3, 3, 7});
  for (float& value : larger.w) value *= 8.0f;
  plain.run(stream);
  larger.run(stream);
  for (float& value : larger.scale) value *= 8.0f;
  CHECK(relative_error(larger.scale, plain.scale) < 4.0 * kEpsilon);
}

TEST_CASE("Demodulation bears weights of zero", "[demodulation]") {
  ON_EVERY_DEVICE(stream);
  Fixture f(OutputDimension::first, {1, 2, 1, 1, 3});
  std::fill(f.w.begin(), f.w.end(), 0.0f);
  f.run(stream);
  for (float value : f.scale) CHECK(value == Approx(1e4));  // 1 / sqrt(epsilon)
}

TEST_CASE("Demodulation gradient agrees with finite differences", "[demodulation]") {
  ON_EVERY_DEVICE(stream);
  const auto dimension = GENERATE(OutputDimension::first, OutputDimension::last);
  for (const Shape& shape : shapes()) {
    INFO(shape);
    Fixture f(dimension, shape);
    f.run(stream);
    const Floats du = normal_values(shape.size(), 2), dw = f.backward(stream, du);

    // Central differences of <u(w), du> in double: their own error is about 1e-9.
    Doubles w(f.w.begin(), f.w.end()), scale(f.scale.size());
    const std::size_t step = std::max<std::size_t>(1, w.size() / 40);  // a sample of the weights is enough
    double largest = 0.0;
    for (std::size_t i = 0; i < w.size(); i += step) {
      const double h = 1e-5, centre = w[i];
      w[i] = centre + h;
      const double above = inner_product(reference_demodulate(dimension, shape, w, scale), du);
      w[i] = centre - h;
      const double below = inner_product(reference_demodulate(dimension, shape, w, scale), du);
      w[i] = centre;
      largest = std::max(largest, std::abs((above - below) / (2.0 * h) - static_cast<double>(dw[i])));
    }
    // Each term of scale * (du - u * inner) is of the order of scale; for one weight they cancel.
    const double magnitude = norm(f.scale) / std::sqrt(static_cast<double>(f.scale.size()));
    CHECK(largest < 64.0 * kEpsilon * magnitude + 1e-7);
  }
}

TEST_CASE("Demodulation gradient is orthogonal to the weights", "[demodulation]") {
  ON_EVERY_DEVICE(stream);
  const auto dimension = GENERATE(OutputDimension::first, OutputDimension::last);
  Fixture f(dimension, {2, 6, 3, 3, 19});
  f.run(stream);
  const Floats dw = f.backward(stream, normal_values(f.shape.size(), 2));
  Doubles products(f.scale.size());
  for (std::size_t i = 0; i < dw.size(); ++i)
    products[channel_of(dimension, f.shape, i)] += static_cast<double>(dw[i]) * f.w[i];
  for (double product : products) CHECK(std::abs(product) < 1e-5);  // a float sum of some 100 terms of order 1
}

TEST_CASE("Demodulation gives the same bits again, whatever the number of threads", "[demodulation]") {
  const Device device = GENERATE(from_range(test_devices()));
  INFO("on " << device);
  TestStream serial(device, 1), parallel(device, 3);
  const auto dimension = GENERATE(OutputDimension::first, OutputDimension::last);
  Fixture a(dimension, {2, 33, 3, 3, 37}), b(dimension, {2, 33, 3, 3, 37});
  a.run(serial.stream);
  b.run(parallel.stream);
  CHECK(same_bits(a.scale, b.scale));
  const Floats du = normal_values(a.shape.size(), 2);
  CHECK(same_bits(a.backward(serial.stream, du), b.backward(parallel.stream, du)));
}
