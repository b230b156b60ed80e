// SPDX-License-Identifier: Apache-2.0
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

/// Runs a kernel that writes one float.
template <class Kernel>
float scalar(const Kernel& kernel) {
  float value = -1.0f;
  kernel(View<float>(&value, {1}));
  return value;
}

constexpr float kUpstream = 0.75f;
View<const float> upstream() { return {&kUpstream, {1}}; }

/// Runs a gradient kernel in both write modes on whole-number contents, and returns the overwritten gradient.
template <class Kernel>
Floats gradient(std::size_t size, const Kernel& kernel) {
  const Floats before = integer_values(static_cast<std::int64_t>(size), 77);
  Floats overwritten(before), accumulated(before);
  kernel(WriteMode::overwrite, overwritten);
  kernel(WriteMode::accumulate, accumulated);
  Floats expected(before);
  for (std::size_t i = 0; i < size; ++i) expected[i] += overwritten[i];
  CHECK(relative_error(accumulated, expected) < 2.0 * kEpsilon);  // the addition may be fused
  return overwritten;
}

Doubles to_double(const Floats& values) { return {values.begin(), values.end()}; }

}  // namespace

TEST_CASE("L1 loss and its gradient", "[loss]") {
  ThreadPool pool(2);
  Stream stream(Device{}, pool);
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
  const float loss =
      scalar([&](View<float> out) { cpu::l1_forward(stream, view(std::as_const(a), shape), view(b, shape), out); });
  CHECK(loss == Approx(expected).epsilon(kEpsilon));  // a double sum, rounded once
  const Floats da = gradient(a.size(), [&](WriteMode mode, Floats& out) {
    cpu::l1_backward(stream, view(std::as_const(a), shape), view(b, shape), upstream(), mode, view(out, shape));
  });
  CHECK(relative_error(da, slope) < 2.0 * kEpsilon);
  if (size > 3) CHECK(da[3] == 0.0f);
}

TEST_CASE("Adversarial losses and their gradients", "[loss]") {
  ThreadPool pool(2);
  Stream stream(Device{}, pool);
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
  const float loss =
      scalar([&](View<float> out) { cpu::adversarial_forward(stream, kind, label, view(logits, shape), out); });
  CHECK(loss == Approx(reference(to_double(logits))).epsilon(kEpsilon));

  const Floats dlogits = gradient(logits.size(), [&](WriteMode mode, Floats& out) {
    cpu::adversarial_backward(stream, kind, label, view(logits, shape), upstream(), mode, view(out, shape));
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
  ThreadPool pool(1);
  Stream stream(Device{}, pool);
  const auto loss = [&](float label, float z) {
    return scalar([&](View<float> out) {
      cpu::adversarial_forward(stream, AdversarialLoss::bce, label, View<const float>(&z, {1}), out);
    });
  };
  const auto slope = [&](float label, float z) {
    return scalar([&](View<float> out) {
      cpu::adversarial_backward(stream, AdversarialLoss::bce, label, View<const float>(&z, {1}), upstream(),
                                WriteMode::overwrite, out);
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
  ThreadPool pool(1);
  Stream stream(Device{}, pool);
  // The derivative of a unit ramp is 8 inside; at a reflected border it is 0. Columns 0 to 3: 0 8 8 0, mean 4.
  const Shape shape{1, 1, 3, 4, 1};
  const Floats ramp = {0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3}, zero(12, 0.0f);
  for (const GradientForm form : {GradientForm::combined, GradientForm::separate})
    CHECK(scalar([&](View<float> out) {
            cpu::sobel_l1_forward(stream, form, view(ramp, shape), view(zero, shape), out);
          }) == 4.0f);
}

TEST_CASE("Sobel loss and its gradient agree with the definition", "[loss]") {
  ThreadPool pool(2);
  Stream stream(Device{}, pool);
  const auto form = GENERATE(GradientForm::combined, GradientForm::separate);
  for (const Shape& shape : {Shape{1, 1, 2, 2, 1}, Shape{2, 2, 5, 7, 1}, Shape{1, 3, 2, 9, 1}}) {
    INFO(shape);
    const int count = static_cast<int>(shape[0] * shape[1]), h = static_cast<int>(shape[2]),
              w = static_cast<int>(shape[3]);
    const Floats r = normal_values(shape.size(), 1), y = normal_values(shape.size(), 2);
    const auto reference = [&](const Doubles& image) {
      return reference_sobel_l1(form, image, to_double(y), count, h, w);
    };
    CHECK(scalar([&](View<float> out) { cpu::sobel_l1_forward(stream, form, view(r, shape), view(y, shape), out); }) ==
          Approx(reference(to_double(r))).epsilon(2.0 * kEpsilon));

    const Floats dr = gradient(r.size(), [&](WriteMode mode, Floats& out) {
      cpu::sobel_l1_backward(stream, form, view(r, shape), view(y, shape), upstream(), mode, view(out, shape));
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
  ThreadPool pool(1);
  Stream stream(Device{}, pool);
  const Shape shape{1, 1, 4, 5, 1};
  const Floats r = normal_values(20, 1);
  Floats dr(20, 5.0f);
  cpu::sobel_l1_backward(stream, GradientForm::separate, view(r, shape), view(r, shape), upstream(),
                         WriteMode::overwrite, view(dr, shape));
  CHECK(same_bits(dr, Floats(20, 0.0f)));
}

TEST_CASE("Losses do not depend on the number of threads", "[loss]") {
  ThreadPool one(1), two(2), three(3);
  Stream serial(Device{}, one);
  const Shape shape{2, 5, 64, 64, 1};
  const Floats a = normal_values(shape.size(), 1), b = normal_values(shape.size(), 2);
  const auto losses = [&](Stream& stream) {
    return Floats{scalar([&](View<float> out) { cpu::l1_forward(stream, view(a, shape), view(b, shape), out); }),
                  scalar([&](View<float> out) {
                    cpu::adversarial_forward(stream, AdversarialLoss::bce, 1.0f, view(a, shape), out);
                  }),
                  scalar([&](View<float> out) {
                    cpu::sobel_l1_forward(stream, GradientForm::combined, view(a, shape), view(b, shape), out);
                  })};
  };
  const auto sobel_gradient = [&](Stream& stream) {
    Floats dr(a.size());
    cpu::sobel_l1_backward(stream, GradientForm::separate, view(a, shape), view(b, shape), upstream(),
                           WriteMode::overwrite, view(dr, shape));
    return dr;
  };
  for (ThreadPool* pool : {&two, &three}) {
    Stream stream(Device{}, *pool);
    CHECK(same_bits(losses(stream), losses(serial)));
    CHECK(same_bits(sobel_gradient(stream), sobel_gradient(serial)));
  }
}
