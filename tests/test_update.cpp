// SPDX-License-Identifier: Apache-2.0
#include "core/device.h"
#include "kernels/kernels.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"
#include "tests/support/random_data.h"

using namespace clade;
using namespace clade::kernels;
using namespace clade::test;

namespace {

struct State {
  std::vector<float> m, v, w;
};

/// Ten steps with gradients that change from step to step.
State train(Stream& stream, std::int64_t size) {
  State state{std::vector<float>(static_cast<std::size_t>(size)), std::vector<float>(static_cast<std::size_t>(size)),
              normal_values(size, 1)};
  for (int step = 1; step <= 10; ++step) {
    AdamParameters parameters;
    parameters.step = step;
    const std::vector<float> gradient = normal_values(size, static_cast<unsigned>(10 + step));
    cpu::adam(stream, parameters, view(gradient, {size}), view(state.m, {size}), view(state.v, {size}),
              view(state.w, {size}));
  }
  return state;
}

}  // namespace

TEST_CASE("Adam agrees with its recurrences in double", "[update]") {
  ThreadPool pool(2);
  Stream stream(Device{}, pool);
  const std::int64_t size = GENERATE(1, 19, 40001);
  const State state = train(stream, size);

  const AdamParameters p;
  const std::vector<float> start = normal_values(size, 1);
  std::vector<double> m(start.size()), v(start.size()), change(start.size());
  for (int step = 1; step <= 10; ++step) {
    const std::vector<float> gradient = normal_values(size, static_cast<unsigned>(10 + step));
    const double beta1 = p.beta1, beta2 = p.beta2;
    for (std::size_t i = 0; i < m.size(); ++i) {
      m[i] = beta1 * m[i] + (1.0 - beta1) * gradient[i];
      v[i] = beta2 * v[i] + (1.0 - beta2) * gradient[i] * gradient[i];
      const double m_hat = m[i] / (1.0 - std::pow(beta1, step)), v_hat = v[i] / (1.0 - std::pow(beta2, step));
      change[i] -= p.learning_rate * m_hat / (std::sqrt(v_hat) + p.epsilon);
    }
  }
  // Ten updates of averages round a few times each.
  CHECK(relative_error(state.m, m) < 32.0 * kEpsilon);
  CHECK(relative_error(state.v, v) < 32.0 * kEpsilon);
  // Each of the ten updates rounds the weight by at most epsilon / 2 of it; the changes, of 1e-3, are exact beside
  // that.
  double largest = 0.0;
  for (std::size_t i = 0; i < change.size(); ++i)
    largest = std::max(largest, std::abs(state.w[i] - (start[i] + change[i])) / (std::abs(start[i]) + 0.01));
  CHECK(largest < 5.0 * kEpsilon);
}

TEST_CASE("The first Adam step moves every weight by the learning rate", "[update]") {
  ThreadPool pool(1);
  Stream stream(Device{}, pool);
  const std::vector<float> gradient = {1e-3f, -20.0f, 0.0f};
  State state{std::vector<float>(3), std::vector<float>(3), std::vector<float>(3)};
  cpu::adam(stream, {}, view(gradient, {3}), view(state.m, {3}), view(state.v, {3}), view(state.w, {3}));
  CHECK(state.w[0] == Approx(-2e-4).epsilon(2e-5));  // epsilon / |gradient| = 1e-5
  CHECK(state.w[1] == Approx(2e-4).epsilon(1e-6));
  CHECK(state.w[2] == 0.0f);
}

TEST_CASE("Adam does not depend on the number of threads", "[update]") {
  ThreadPool one(1), three(3);
  Stream serial(Device{}, one), parallel(Device{}, three);
  const State a = train(serial, 40001), b = train(parallel, 40001);
  CHECK(same_bits(a.w, b.w));
  CHECK(same_bits(a.m, b.m));
  CHECK(same_bits(a.v, b.v));
}

TEST_CASE("Mean deviation averages over samples, not over their union", "[update]") {
  ThreadPool pool(2);
  Stream stream(Device{}, pool);
  // Two constant samples of different value, one alternating by 1 around 5, one by 3 around 0.
  const Shape shape{2, 2, 2, 2, 1};
  const std::vector<float> x = {1, 1, 1, 1, 9, 9, 9, 9, 4, 6, 4, 6, 3, -3, 3, -3};
  float result = -1.0f;
  cpu::mean_deviation(stream, view(x, shape), View<float>(&result, {1}));
  CHECK(result == 1.0f);

  const Shape large{2, 3, 33, 31, 1};
  const std::vector<float> values = normal_values(large.size(), 1);
  cpu::mean_deviation(stream, view(values, large), View<float>(&result, {1}));
  double expected = 0.0;
  for (std::size_t sample = 0; sample < 6; ++sample) {
    double sum = 0.0, squares = 0.0;
    for (std::size_t i = 0; i < 33 * 31; ++i) {
      const double value = values[sample * 33 * 31 + i];
      sum += value;
      squares += value * value;
    }
    sum /= 33 * 31;
    expected += std::sqrt(squares / (33 * 31) - sum * sum) / 6.0;
  }
  CHECK(result == Approx(expected).epsilon(kEpsilon));
}
