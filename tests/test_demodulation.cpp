// SPDX-License-Identifier: Apache-2.0
#include "tests/support/backend.h"
#include "tests/support/compare.h"
#include "tests/support/random_data.h"

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

std::vector<double> reference_demodulate(OutputDimension dimension, const Shape& shape, const std::vector<double>& w,
                                         double epsilon, std::vector<double>& scale) {
  for (double& value : scale) value = epsilon;
  for (std::size_t i = 0; i < w.size(); ++i) scale[channel_of(dimension, shape, i)] += w[i] * w[i];
  for (double& value : scale) value = 1.0 / std::sqrt(value);
  std::vector<double> u(w);
  for (std::size_t i = 0; i < u.size(); ++i) u[i] *= scale[channel_of(dimension, shape, i)];
  return u;
}

struct Fixture {
  Fixture(OutputDimension output_dimension, const Shape& weight_shape)
      : dimension(output_dimension),
        shape(weight_shape),
        scale_shape{shape[0], shape[output_dimension == OutputDimension::first ? 1 : 4]},
        w(normal_values(shape.size(), 1)),
        u(w.size()),
        scale(static_cast<std::size_t>(scale_shape.size())) {}

  void run(Stream& stream) {
    DeviceArray<float> device_u(stream, shape), device_scale(stream, scale_shape);
    CLADE_KERNEL(demodulate)(stream, dimension, kDemodulationEpsilon, DeviceArray(stream, shape, w), device_u,
                             device_scale);
    u = device_u.values();
    scale = device_scale.values();
  }
  std::vector<float> backward(Stream& stream, const std::vector<float>& du, WriteMode mode,
                              const std::vector<float>& before) {
    DeviceArray dw(stream, shape, before);
    CLADE_KERNEL(demodulate_backward)(stream, dimension, DeviceArray(stream, shape, u),
                                      DeviceArray(stream, scale_shape, scale), DeviceArray(stream, shape, du), mode,
                                      dw);
    return dw.values();
  }

  OutputDimension dimension;
  Shape shape, scale_shape;
  std::vector<float> w, u, scale;
};

std::vector<Shape> shapes() { return {{1, 1, 1, 1, 1}, {2, 5, 3, 3, 7}, {2, 33, 2, 2, 37}, {1, 16, 3, 3, 16}}; }

}  // namespace

TEST_CASE("Demodulated weights agree with the definition and have unit norm", "[demodulation]") {
  ON_EVERY_DEVICE(stream);
  const auto dimension = GENERATE(OutputDimension::first, OutputDimension::last);
  for (const Shape& shape : shapes()) {
    INFO(shape);
    Fixture f(dimension, shape);
    f.run(stream);
    std::vector<double> scale(f.scale.size());
    const std::vector<double> u =
        reference_demodulate(dimension, shape, {f.w.begin(), f.w.end()}, kDemodulationEpsilon, scale);
    // The sum is in double: the factor is rounded once, the product once.
    CHECK(relative_error(f.scale, scale) < 4.0 * kEpsilon);
    CHECK(relative_error(f.u, u) < 8.0 * kEpsilon);

    std::vector<double> power(f.scale.size());
    for (std::size_t i = 0; i < f.u.size(); ++i)
      power[channel_of(dimension, shape, i)] += static_cast<double>(f.u[i]) * f.u[i];
    for (double value : power) CHECK(value == Approx(1.0).epsilon(1e-5));
  }
}

TEST_CASE("Demodulation does not see the scale of its weights", "[demodulation]") {
  ON_EVERY_DEVICE(stream);
  const auto dimension = GENERATE(OutputDimension::first, OutputDimension::last);
  Fixture plain(dimension, {2, 5, 3, 3, 7}), scaled(dimension, {2, 5, 3, 3, 7});
  for (float& value : scaled.w) value *= 8.0f;
  plain.run(stream);
  scaled.run(stream);
  CHECK(relative_error(scaled.u, plain.u) < 4.0 * kEpsilon);
}

TEST_CASE("Demodulation maps zero weights to zero", "[demodulation]") {
  ON_EVERY_DEVICE(stream);
  Fixture f(OutputDimension::first, {1, 2, 1, 1, 3});
  std::fill(f.w.begin(), f.w.end(), 0.0f);
  f.run(stream);
  for (float value : f.u) CHECK(value == 0.0f);
  for (float value : f.scale) CHECK(value == Approx(1e4));  // 1 / sqrt(epsilon)
}

TEST_CASE("Demodulation gradient agrees with finite differences", "[demodulation]") {
  ON_EVERY_DEVICE(stream);
  const auto dimension = GENERATE(OutputDimension::first, OutputDimension::last);
  for (const Shape& shape : shapes()) {
    INFO(shape);
    Fixture f(dimension, shape);
    f.run(stream);
    const std::vector<float> du = normal_values(shape.size(), 2);
    const std::vector<float> dw = f.backward(stream, du, WriteMode::overwrite, std::vector<float>(du.size(), 9.0f));

    // Central differences of <u(w), du> in double: their own error is about 1e-9.
    std::vector<double> w(f.w.begin(), f.w.end()), scale(f.scale.size());
    std::vector<double> expected(w.size());
    const std::size_t step = std::max<std::size_t>(1, w.size() / 40);  // a sample of the weights is enough
    double largest = 0.0;
    for (std::size_t i = 0; i < w.size(); i += step) {
      const double h = 1e-5, centre = w[i];
      w[i] = centre + h;
      const double above = inner_product(reference_demodulate(dimension, shape, w, kDemodulationEpsilon, scale), du);
      w[i] = centre - h;
      const double below = inner_product(reference_demodulate(dimension, shape, w, kDemodulationEpsilon, scale), du);
      w[i] = centre;
      largest = std::max(largest, std::abs((above - below) / (2.0 * h) - static_cast<double>(dw[i])));
    }
    // Each term of scale * (du - u * inner) is of the order of scale; for one weight they cancel.
    const double magnitude = norm(f.scale) / std::sqrt(static_cast<double>(f.scale.size()));
    CHECK(largest < 64.0 * kEpsilon * magnitude + 1e-7);
  }
}

TEST_CASE("Demodulation gradient is orthogonal to the weights and accumulates", "[demodulation]") {
  ON_EVERY_DEVICE(stream);
  const auto dimension = GENERATE(OutputDimension::first, OutputDimension::last);
  Fixture f(dimension, {2, 6, 3, 3, 19});
  f.run(stream);
  const std::vector<float> du = normal_values(f.shape.size(), 2), before = normal_values(f.shape.size(), 3);
  const std::vector<float> dw = f.backward(stream, du, WriteMode::overwrite, before);

  std::vector<double> products(f.scale.size());
  for (std::size_t i = 0; i < dw.size(); ++i)
    products[channel_of(dimension, f.shape, i)] += static_cast<double>(dw[i]) * f.w[i];
  for (double product : products) CHECK(std::abs(product) < 1e-5);  // a float sum of some 100 terms of order 1

  std::vector<float> expected(before);
  for (std::size_t i = 0; i < dw.size(); ++i) expected[i] += dw[i];
  // The accumulating form may fuse the product into the addition.
  CHECK(relative_error(f.backward(stream, du, WriteMode::accumulate, before), expected) < 4.0 * kEpsilon);
}

TEST_CASE("Demodulation gives the same bits again, whatever the number of threads", "[demodulation]") {
  const Device device = GENERATE(from_range(test_devices()));
  INFO("on " << device);
  TestStream serial(device, 1), parallel(device, 3);
  const auto dimension = GENERATE(OutputDimension::first, OutputDimension::last);
  Fixture a(dimension, {2, 33, 3, 3, 37}), b(dimension, {2, 33, 3, 3, 37});
  a.run(serial.stream);
  b.run(parallel.stream);
  CHECK(same_bits(a.u, b.u));
  const std::vector<float> du = normal_values(a.shape.size(), 2);
  CHECK(same_bits(a.backward(serial.stream, du, WriteMode::overwrite, du),
                  b.backward(parallel.stream, du, WriteMode::overwrite, du)));
}
