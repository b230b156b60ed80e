// SPDX-License-Identifier: Apache-2.0
#include "tests/support/backend.h"
#include "tests/support/compare.h"
#include "tests/support/random_data.h"
#include "tests/support/reference.h"

using namespace clade;
using namespace clade::kernels;
using namespace clade::test;

namespace {

/// Runs a kernel that writes one float.
template <class Kernel>
float scalar(Stream& stream, const Kernel& kernel) {
  DeviceArray<float> value(stream, {1});
  kernel(value);
  return value.values()[0];
}

constexpr float kUpstream = 0.75f;

/// Runs a gradient kernel, given the upstream gradient, in both write modes, and returns the overwritten gradient.
template <class Kernel>
Floats gradient(Stream& stream, const Shape& shape, const Kernel& kernel) {
  const DeviceArray upstream(stream, {1}, Floats{kUpstream});
  const Floats before = integer_values(shape.size(), 77);
  DeviceArray<float> overwritten(stream, shape), accumulated(stream, shape, before);
  kernel(upstream, WriteMode::overwrite, overwritten);
  kernel(upstream, WriteMode::accumulate, accumulated);
  const Floats result = overwritten.values();
  Floats expected(before);
  for (std::size_t i = 0; i < result.size(); ++i) expected[i] += result[i];
  CHECK(relative_error(accumulated.values(), expected) < 2.0 * kEpsilon);  // the addition may be fused
  return result;
}

/// What the losses compare, on the device.
struct Pair {
  Pair(Stream& stream, const Shape& shape, const Floats& values_a, const Floats& values_b)
      : a(stream, shape, values_a), b(stream, shape, values_b) {}
  DeviceArray<float> a, b;
};

Doubles to_double(const Floats& values) { return {values.begin(), values.end()}; }

}  // namespace

TEST_CASE("L1 loss and its gradient", "[loss]") {
  ON_EVERY_DEVICE(stream);
  const std::int64_t size = GENERATE(1, 17, 40001);
  const Shape shape{size};
  Floats a = normal_values(size, 1);
  const Floats b = normal_values(size, 2);
  if (size > 3) a[3] = b[3];
  double expected = 0.0;
  Doubles slope(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    expected += std::abs(static_cast<double>(a[i]) - b[i]) / static_cast<double>(size);
    slope[i] = (a[i] > b[i] ? 0.75 : a[i] < b[i] ? -0.75 : 0.0) / static_cast<double>(size);
  }
  Pair on_device(stream, shape, a, b);
  const float loss =
      scalar(stream, [&](auto& out) { CLADE_KERNEL(l1_forward)(stream, on_device.a, on_device.b, out); });
  CHECK(loss == Approx(expected).epsilon(kEpsilon));  // a double sum, rounded once
  const Floats da = gradient(stream, shape, [&](const auto& upstream, WriteMode mode, auto& out) {
    CLADE_KERNEL(l1_backward)(stream, on_device.a, on_device.b, upstream, mode, out);
  });
  CHECK(relative_error(da, slope) < 2.0 * kEpsilon);
  if (size > 3) CHECK(da[3] == 0.0f);
}

TEST_CASE("Adversarial losses and their gradients", "[loss]") {
  ON_EVERY_DEVICE(stream);
  const auto kind = GENERATE(AdversarialLoss::bce, AdversarialLoss::lsgan);
  const float label = GENERATE(0.0f, 1.0f);
  const Floats logits = {-3.0f, -0.5f, 0.0f, 0.25f, 1.0f, 6.0f, 2.0f};
  const Shape shape{static_cast<std::int64_t>(logits.size())};
  const auto reference = [&](const Doubles& z) {
    double sum = 0.0;
    for (double value : z) {
      const double p = 1.0 / (1.0 + std::exp(-value));
      sum += kind == AdversarialLoss::bce ? -(label * std::log(p) + (1.0 - label) * std::log(1.0 - p))
                                          : (value - label) * (value - label);
    }
    return sum / static_cast<double>(z.size());
  };
  const DeviceArray on_device(stream, shape, logits);
  const float loss =
      scalar(stream, [&](auto& out) { CLADE_KERNEL(adversarial_forward)(stream, kind, label, on_device, out); });
  CHECK(loss == Approx(reference(to_double(logits))).epsilon(kEpsilon));

  const Floats dlogits = gradient(stream, shape, [&](const auto& upstream, WriteMode mode, auto& out) {
    CLADE_KERNEL(adversarial_backward)(stream, kind, label, on_device, upstream, mode, out);
  });
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double h = 1e-5;  // central differences in double: error about 1e-10
    Doubles above = to_double(logits), below = above;
    above[i] += h;
    below[i] -= h;
    CHECK(dlogits[i] == Approx(0.75 * (reference(above) - reference(below)) / (2.0 * h)).epsilon(1e-6).margin(1e-9));
  }
}

TEST_CASE("Cross-entropy stays finite and accurate for large logits", "[loss]") {
  ON_EVERY_DEVICE(stream);
  const auto loss = [&](float label, float z) {
    const DeviceArray logit(stream, {1}, Floats{z});
    return scalar(stream, [&](auto& out) {
      CLADE_KERNEL(adversarial_forward)(stream, AdversarialLoss::bce, label, logit, out);
    });
  };
  const auto slope = [&](float label, float z) {
    const DeviceArray logit(stream, {1}, Floats{z}), upstream(stream, {1}, Floats{kUpstream});
    return scalar(stream, [&](auto& out) {
      CLADE_KERNEL(adversarial_backward)(stream, AdversarialLoss::bce, label, logit, upstream, WriteMode::overwrite,
                                         out);
    });
  };
  CHECK(loss(1.0f, -1000.0f) == 1000.0f);
  CHECK(loss(0.0f, 1000.0f) == 1000.0f);
  CHECK(loss(1.0f, 40.0f) == Approx(std::exp(-40.0)));
  CHECK(loss(0.0f, -40.0f) == Approx(std::exp(-40.0)));
  CHECK(slope(1.0f, 40.0f) == Approx(-0.75 * std::exp(-40.0)));
  CHECK(slope(0.0f, -40.0f) == Approx(0.75 * std::exp(-40.0)));
  CHECK(slope(1.0f, -1000.0f) == -0.75f);
  CHECK(slope(0.0f, 1000.0f) == 0.75f);
}

TEST_CASE("Sobel loss of a ramp", "[loss]") {
  ON_EVERY_DEVICE(stream);
  // The derivative of a unit ramp is 8 inside; at a reflected border it is 0. Columns 0 to 3: 0 8 8 0, mean 4.
  const Shape shape{1, 1, 3, 4, 1};
  const Floats ramp = {0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3}, zero(12, 0.0f);
  Pair on_device(stream, shape, ramp, zero);
  for (const GradientForm form : {GradientForm::combined, GradientForm::separate})
    CHECK(scalar(stream, [&](auto& out) {
            CLADE_KERNEL(sobel_l1_forward)(stream, form, on_device.a, on_device.b, out);
          }) == 4.0f);
}

TEST_CASE("Sobel loss and its gradient agree with the definition", "[loss]") {
  ON_EVERY_DEVICE(stream);
  const auto form = GENERATE(GradientForm::combined, GradientForm::separate);
  for (const Shape& shape : {Shape{1, 1, 2, 2, 1}, Shape{2, 2, 5, 7, 1}, Shape{1, 3, 2, 9, 1}}) {
    INFO(shape);
    const int count = static_cast<int>(shape[0] * shape[1]), h = static_cast<int>(shape[2]),
              w = static_cast<int>(shape[3]);
    const Floats r = normal_values(shape.size(), 1), y = normal_values(shape.size(), 2);
    const auto reference = [&](const Doubles& image) {
      return reference_sobel_l1(form, image, to_double(y), count, h, w);
    };
    Pair on_device(stream, shape, r, y);
    CHECK(scalar(stream, [&](auto& out) {
            CLADE_KERNEL(sobel_l1_forward)(stream, form, on_device.a, on_device.b, out);
          }) == Approx(reference(to_double(r))).epsilon(2.0 * kEpsilon));

    const Floats dr = gradient(stream, shape, [&](const auto& upstream, WriteMode mode, auto& out) {
      CLADE_KERNEL(sobel_l1_backward)(stream, form, on_device.a, on_device.b, upstream, mode, out);
    });
    // Piecewise linear: away from its kinks, which random data avoid, a small difference is exact up to rounding.
    for (std::size_t i = 0; i < r.size(); ++i) {
      const double step = 1e-6;
      Doubles above = to_double(r), below = above;
      above[i] += step;
      below[i] -= step;
      CHECK(dr[i] == Approx(0.75 * (reference(above) - reference(below)) / (2.0 * step)).margin(1e-7));
    }
  }
}

TEST_CASE("Sobel gradient vanishes for equal images", "[loss]") {
  ON_EVERY_DEVICE(stream);
  const Shape shape{1, 1, 4, 5, 1};
  const DeviceArray r(stream, shape, normal_values(20, 1)), upstream(stream, {1}, Floats{kUpstream});
  DeviceArray<float> dr(stream, shape);
  CLADE_KERNEL(sobel_l1_backward)(stream, GradientForm::separate, r, r, upstream, WriteMode::overwrite, dr);
  CHECK(same_bits(dr.values(), Floats(20, 0.0f)));
}

TEST_CASE("Losses give the same bits again, whatever the number of threads", "[loss]") {
  const Device device = GENERATE(from_range(test_devices()));
  INFO("on " << device);
  const Shape shape{2, 5, 64, 64, 1};
  const auto losses = [&](int threads) {
    TestStream test(device, threads);
    Stream& stream = test.stream;
    Pair pair(stream, shape, normal_values(shape.size(), 1), normal_values(shape.size(), 2));
    const DeviceArray upstream(stream, {1}, Floats{kUpstream});
    DeviceArray<float> dr(stream, shape);
    CLADE_KERNEL(sobel_l1_backward)(stream, GradientForm::separate, pair.a, pair.b, upstream, WriteMode::overwrite, dr);
    Floats all = dr.values();
    all.push_back(scalar(stream, [&](auto& out) { CLADE_KERNEL(l1_forward)(stream, pair.a, pair.b, out); }));
    all.push_back(scalar(stream, [&](auto& out) {
      CLADE_KERNEL(adversarial_forward)(stream, AdversarialLoss::bce, 1.0f, pair.a, out);
    }));
    all.push_back(scalar(stream, [&](auto& out) {
      CLADE_KERNEL(sobel_l1_forward)(stream, GradientForm::combined, pair.a, pair.b, out);
    }));
    return all;
  };
  const Floats serial = losses(1);
  CHECK(same_bits(losses(2), serial));
  CHECK(same_bits(losses(3), serial));
}
