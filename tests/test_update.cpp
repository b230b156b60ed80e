// SPDX-License-Identifier: Apache-2.0
// The update of parameters, and what goes with it in a step.
#include <array>

#include "tests/support/backend.h"
#include "tests/support/compare.h"
#include "tests/support/random_data.h"

using namespace clade;
using namespace clade::kernels;
using namespace clade::test;

namespace {

std::vector<float> zeros(std::int64_t size) { return std::vector<float>(static_cast<std::size_t>(size)); }

DeviceArray<StepControl> control_at(Stream& stream, std::int64_t step, std::int32_t finite = 1) {
  return {stream, {1}, std::vector{StepControl{step, 0, 0, finite}}};
}

/// Adam's recurrences in double for one value.
struct ReferenceAdam {
  double m = 0.0, v = 0.0, w = 0.0;

  void step(const AdamParameters& p, std::int64_t step, double gradient) {
    const double beta1 = p.beta1, beta2 = p.beta2, count = static_cast<double>(step);
    m = beta1 * m + (1.0 - beta1) * gradient;
    v = beta2 * v + (1.0 - beta2) * gradient * gradient;
    const double m_hat = m / (1.0 - std::pow(beta1, count)), v_hat = v / (1.0 - std::pow(beta2, count));
    w -= p.learning_rate * m_hat / (std::sqrt(v_hat) + p.epsilon);
  }
};

// Ten steps with gradients that change from step to step.
constexpr int kSteps = 10;
std::vector<float> gradient_of(int step, std::int64_t size) {
  return normal_values(size, static_cast<unsigned>(10 + step));
}

struct State {
  std::vector<float> m, v, w;
};

State train(Stream& stream, std::int64_t size, int shift = 0) {
  DeviceArray m(stream, {size}, zeros(size), shift), v(stream, {size}, zeros(size), shift);
  DeviceArray w(stream, {size}, normal_values(size, 1), shift);
  for (int step = 1; step <= kSteps; ++step) {
    const DeviceArray gradient(stream, {size}, gradient_of(step, size), shift);
    CLADE_KERNEL(adam)(stream, AdamParameters{}, control_at(stream, step), gradient, m, v, w);
  }
  return {m.values(), v.values(), w.values()};
}

}  // namespace

TEST_CASE("Adam agrees with its recurrences in double", "[update]") {
  ON_EVERY_DEVICE(stream);
  const std::int64_t size = GENERATE(1, 19, 300001);  // the last is more than one value per thread of a GPU
  const State state = train(stream, size, size == 19 ? 1 : 0);

  const std::vector<float> start = normal_values(size, 1);
  std::vector<ReferenceAdam> reference(start.size());
  for (int step = 1; step <= kSteps; ++step) {
    const std::vector<float> gradient = gradient_of(step, size);
    for (std::size_t i = 0; i < start.size(); ++i) reference[i].step({}, step, gradient[i]);
  }
  std::vector<double> m(start.size()), v(start.size());
  double largest = 0.0;
  for (std::size_t i = 0; i < start.size(); ++i) {
    m[i] = reference[i].m;
    v[i] = reference[i].v;
    // Each of the ten updates rounds the weight by at most epsilon / 2 of it; the changes, of 1e-3, are exact beside
    // that.
    largest = std::max(largest, std::abs(state.w[i] - (start[i] + reference[i].w)) / (std::abs(start[i]) + 0.01));
  }
  CHECK(largest < 5.0 * kEpsilon);
  // Ten updates of averages round a few times each.
  CHECK(relative_error(state.m, m) < 32.0 * kEpsilon);
  CHECK(relative_error(state.v, v) < 32.0 * kEpsilon);
}

TEST_CASE("The first Adam step moves every weight by the learning rate", "[update]") {
  ON_EVERY_DEVICE(stream);
  DeviceArray m(stream, {3}, zeros(3)), v(stream, {3}, zeros(3)), w(stream, {3}, zeros(3));
  const DeviceArray gradient(stream, {3}, std::vector<float>{1e-3f, -20.0f, 0.0f});
  CLADE_KERNEL(adam)(stream, AdamParameters{}, control_at(stream, 1), gradient, m, v, w);
  const std::vector<float> moved = w.values();
  CHECK(moved[0] == Approx(-2e-4).epsilon(2e-5));  // epsilon / |gradient| = 1e-5
  CHECK(moved[1] == Approx(2e-4).epsilon(1e-6));
  CHECK(moved[2] == 0.0f);
}

TEST_CASE("Adam gives the same bits again, whatever the number of threads", "[update]") {
  const Device device = GENERATE(from_range(test_devices()));
  INFO("on " << device);
  TestStream serial(device, 1), parallel(device, 3);
  const State a = train(serial.stream, 40001), b = train(parallel.stream, 40001);
  CHECK(same_bits(a.w, b.w));
  CHECK(same_bits(a.m, b.m));
  CHECK(same_bits(a.v, b.v));
}

TEST_CASE("Adam leaves everything as it is after a step that was not finite", "[update]") {
  ON_EVERY_DEVICE(stream);
  const std::vector<float> before = normal_values(100, 1);
  DeviceArray m(stream, {100}, before), v(stream, {100}, before), w(stream, {100}, before);
  const DeviceArray gradient(stream, {100}, normal_values(100, 2));
  CLADE_KERNEL(adam)(stream, AdamParameters{}, control_at(stream, 3, 0), gradient, m, v, w);
  CHECK(same_bits(m.values(), before));
  CHECK(same_bits(v.values(), before));
  CHECK(same_bits(w.values(), before));
}

TEST_CASE("Clipping brings a gradient to its largest norm, and leaves smaller ones alone", "[update]") {
  ON_EVERY_DEVICE(stream);
  const std::int64_t size = GENERATE(1, 19, 300001);
  const std::vector<float> before = normal_values(size, 1);
  double squares = 0.0;
  for (const float value : before) squares += static_cast<double>(value) * value;
  const double norm = std::sqrt(squares);
  const auto clipped = [&](double most) {
    DeviceArray gradient(stream, {size}, before, size == 19 ? 1 : 0);
    CLADE_KERNEL(clip_norm)(stream, static_cast<float>(most), gradient);
    return gradient.values();
  };
  CHECK(same_bits(clipped(1.01 * norm), before));
  for (const double share : {0.99, 1e-3}) {
    const float most = static_cast<float>(share * norm);
    std::vector<double> expected(before.begin(), before.end());
    for (double& value : expected) value *= most / (norm + 1e-6);
    CHECK(relative_distance(clipped(most), expected) < kEpsilon);  // of the factor and of the product
  }
  // What is wrong stays wrong.
  DeviceArray broken(stream, {3}, std::vector<float>{1.0f, std::nanf(""), 2.0f});
  CLADE_KERNEL(clip_norm)(stream, 0.1f, broken);
  CHECK(broken.values()[0] == 1.0f);
  CHECK(std::isnan(broken.values()[1]));
}

TEST_CASE("The average of weights follows them, quickly at first", "[update]") {
  ON_EVERY_DEVICE(stream);
  const std::int64_t size = GENERATE(1, 19, 300001);
  const int shift = size == 19 ? 1 : 0;
  const std::vector<float> start = normal_values(size, 1);
  DeviceArray average(stream, {size}, start, shift);
  std::vector<double> expected(start.begin(), start.end());
  constexpr float kDecay = 0.5f;  // reached at step 8
  for (int step = 1; step <= kSteps; ++step) {
    const std::vector<float> w = gradient_of(step, size);
    const double decay = std::min(static_cast<double>(kDecay), (1.0 + step) / (10.0 + step));
    for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = decay * expected[i] + (1.0 - decay) * w[i];
    CLADE_KERNEL(average_weights)(stream, kDecay, control_at(stream, step),
                                  DeviceArray(stream, {size}, w, shift), average);
  }
  CHECK(relative_error(average.values(), expected) < 8.0 * kEpsilon);

  const std::vector<float> before = average.values();
  CLADE_KERNEL(average_weights)(stream, kDecay, control_at(stream, 3, 0), DeviceArray(stream, {size}, start, shift),
                                average);
  CHECK(same_bits(average.values(), before));
}

namespace {

/// Segments of every kind for two nets, of odd sizes, with values between them that belong to none.
struct Layout {
  Layout() {
    const auto add = [&](std::int32_t channels, std::int32_t fan, OutputDimension dimension, bool demodulated) {
      segments.push_back({size, scales, 2, channels, fan, dimension, demodulated});
      size += std::int64_t{2} * channels * fan + 3;
      if (demodulated) scales += std::int64_t{2} * channels + 1;
    };
    add(4, 1152, OutputDimension::first, true);
    add(5, 27, OutputDimension::first, true);
    add(5, 1, OutputDimension::first, false);
    add(7, 18, OutputDimension::last, true);
    add(64, 1, OutputDimension::first, true);
    add(33, 40, OutputDimension::first, true);
    add(37, 75, OutputDimension::last, true);
    add(1, 2500, OutputDimension::last, false);
    add(32, 16, OutputDimension::last, true);
    for (int i = 0; i < 60; ++i) add(1, 5, OutputDimension::first, true);  // in all more than one launch takes
  }
  std::vector<ParameterSegment> segments;
  std::int64_t size = 0;
  std::int64_t scales = 0;
};

/// Calls body(index of the value in the block, channel of the value counted over the nets) for a whole segment.
template <class Body>
void for_each_value(const ParameterSegment& s, const Body& body) {
  for (std::int64_t i = 0; i < std::int64_t{s.nets} * s.channels * s.fan; ++i) {
    const std::int64_t net = i / (std::int64_t{s.channels} * s.fan);
    const std::int64_t channel = s.dimension == OutputDimension::first ? i / s.fan : net * s.channels + i % s.channels;
    body(static_cast<std::size_t>(s.offset + i), static_cast<std::size_t>(channel));
  }
}

/// What update_demodulated says it does, in double.
struct ReferenceUpdate {
  ReferenceUpdate(const Layout& plan, const std::vector<float>& weights)
      : layout(plan), values(weights.size()), scale(layout.scales) {
    for (std::size_t i = 0; i < weights.size(); ++i) values[i].w = weights[i];
    for (const ParameterSegment& segment : layout.segments) demodulate(segment);
  }

  void demodulate(const ParameterSegment& segment) {
    if (!segment.demodulated) return;
    std::vector<double> squares(static_cast<std::size_t>(segment.nets) * segment.channels, kUpdateEpsilon);
    for_each_value(segment, [&](std::size_t i, std::size_t c) { squares[c] += values[i].w * values[i].w; });
    for (std::size_t c = 0; c < squares.size(); ++c)
      scale[static_cast<std::size_t>(segment.scale) + c] = 1.0 / std::sqrt(squares[c]);
  }

  /// `dw` is the gradient that takes the scales for constants.
  void step(std::int64_t number, const std::vector<float>& dw) {
    for (const ParameterSegment& segment : layout.segments) {
      std::vector<double> inner(static_cast<std::size_t>(segment.nets) * segment.channels);
      for_each_value(segment, [&](std::size_t i, std::size_t c) { inner[c] += dw[i] * values[i].w; });
      for_each_value(segment, [&](std::size_t i, std::size_t c) {
        const double factor = segment.demodulated ? scale[static_cast<std::size_t>(segment.scale) + c] : 0.0;
        values[i].step({}, number, dw[i] - factor * factor * inner[c] * values[i].w);
      });
      demodulate(segment);
    }
  }

  static constexpr float kUpdateEpsilon = 1e-8f;
  Layout layout;
  std::vector<ReferenceAdam> values;
  std::vector<double> scale;
};

/// The blocks of a training on a device; the scales begin as the weights make them.
struct Blocks {
  Blocks(Stream& stream, const Layout& plan, const std::vector<float>& weights)
      : layout(plan),
        m(stream, {plan.size}, zeros(plan.size)),
        v(stream, {plan.size}, zeros(plan.size)),
        w(stream, {plan.size}, weights),
        scale(stream, {plan.scales}, zeros(plan.scales)) {
    const ReferenceUpdate start(plan, weights);
    scale.assign({start.scale.begin(), start.scale.end()});
  }

  void step(Stream& stream, const StepControl& control, const std::vector<float>& dw) {
    const DeviceArray gradient(stream, {layout.size}, dw);
    const DeviceArray on_device(stream, {1}, std::vector{control});
    CLADE_KERNEL(update_demodulated)(stream, AdamParameters{}, ReferenceUpdate::kUpdateEpsilon, layout.segments,
                                     on_device, gradient, m, v, w, scale);
  }

  std::array<std::vector<float>, 4> values() const {
    return {m.values(), v.values(), w.values(), scale.values()};
  }

  Layout layout;
  DeviceArray<float> m, v, w, scale;
};

/// Step numbers whose bias corrections differ.
constexpr std::array<std::int64_t, 3> kNumbers{1, 2, 70000};

}  // namespace

TEST_CASE("The update behind a demodulation agrees with its parts in double", "[update]") {
  ON_EVERY_DEVICE(stream);
  const Layout layout;
  const std::vector<float> weights = normal_values(layout.size, 1);
  ReferenceUpdate reference(layout, weights);
  Blocks blocks(stream, layout, weights);
  for (const std::int64_t number : kNumbers) {
    const std::vector<float> dw = normal_values(layout.size, static_cast<unsigned>(10 + number));
    reference.step(number, dw);
    blocks.step(stream, {number, 0, 0, 1}, dw);
  }

  // Not a structured binding: Clang before 16 lets no lambda capture one.
  const auto values = blocks.values();
  const std::vector<float>&m = values[0], &v = values[1], &w = values[2], &scale = values[3];
  for (const ParameterSegment& segment : layout.segments) {
    INFO(segment.channels << " channels of " << segment.fan << (segment.demodulated ? ", demodulated" : ""));
    std::vector<float> own_m, own_v;
    std::vector<double> expected_m, expected_v;
    double largest = 0.0, power = 0.0;
    for_each_value(segment, [&](std::size_t i, std::size_t) {
      own_m.push_back(m[i]);
      own_v.push_back(v[i]);
      expected_m.push_back(reference.values[i].m);
      expected_v.push_back(reference.values[i].v);
      largest = std::max(largest, std::abs(w[i] - reference.values[i].w) / (std::abs(weights[i]) + 0.1));
      power += std::abs(w[i] - weights[i]);
    });
    CHECK(power > 0.0);
    if (segment.demodulated && segment.fan == 1) {
      // One value per channel is +-1 whatever its weight: its gradient is what rounding leaves of zero, and Adam turns
      // the least gradient into a full step. Only that weight and scale fit together means something.
      for_each_value(segment, [&](std::size_t i, std::size_t c) {
        const double squares = static_cast<double>(w[i]) * w[i] + ReferenceUpdate::kUpdateEpsilon;
        CHECK(scale[static_cast<std::size_t>(segment.scale) + c] ==
              Approx(1.0 / std::sqrt(squares)).epsilon(4.0 * kEpsilon));
      });
      continue;
    }
    // As for Adam; dw - scale^2 w <dw, w> rounds twice more. A weight's change of 1e-3 may be off where its gradient nearly
    // cancels, but by little of the weight.
    CHECK(relative_error(own_m, expected_m) < 64.0 * kEpsilon);
    CHECK(relative_error(own_v, expected_v) < 64.0 * kEpsilon);
    CHECK(largest < 8.0 * kEpsilon);
    if (!segment.demodulated) continue;
    const auto begin = segment.scale, count = std::int64_t{segment.nets} * segment.channels;
    CHECK(relative_error(std::vector(scale.begin() + begin, scale.begin() + begin + count),
                         std::vector(reference.scale.begin() + begin, reference.scale.begin() + begin + count)) <
          8.0 * kEpsilon);
  }
}

TEST_CASE("The update behind a demodulation touches its segments only, and gives the same bits again", "[update]") {
  const Device device = GENERATE(from_range(test_devices()));
  INFO("on " << device);
  const Layout layout;
  const std::vector<float> weights = normal_values(layout.size, 1);
  TestStream serial(device, 1), parallel(device, 3);
  Blocks a(serial.stream, layout, weights), b(parallel.stream, layout, weights);
  const auto start = a.values();
  for (const std::int64_t number : kNumbers) {
    const std::vector<float> dw = normal_values(layout.size, static_cast<unsigned>(10 + number));
    a.step(serial.stream, {number, 0, 0, 1}, dw);
    b.step(parallel.stream, {number, 0, 0, 1}, dw);
  }
  const auto end = a.values();
  CHECK(end == b.values());

  std::vector<bool> inside(static_cast<std::size_t>(layout.size));
  for (const ParameterSegment& segment : layout.segments)
    for_each_value(segment, [&](std::size_t i, std::size_t) { inside[i] = true; });
  int touched = 0;
  for (std::size_t block = 0; block < 3; ++block)
    for (std::size_t i = 0; i < inside.size(); ++i) touched += !inside[i] && start[block][i] != end[block][i];
  CHECK(touched == 0);
}

TEST_CASE("The update behind a demodulation stops after a step that was not finite", "[update]") {
  ON_EVERY_DEVICE(stream);
  const Layout layout;
  Blocks blocks(stream, layout, normal_values(layout.size, 1));
  const auto before = blocks.values();
  blocks.step(stream, {3, 0, 0, 0}, normal_values(layout.size, 2));
  CHECK(blocks.values() == before);
}

TEST_CASE("The update behind a demodulation leaves channels of zeros without gradient at zero", "[update]") {
  ON_EVERY_DEVICE(stream);
  const auto dimension = GENERATE(OutputDimension::first, OutputDimension::last);
  Layout layout;
  layout.segments = {{0, 0, 1, 3, 9, dimension, true}};
  layout.size = 27;
  layout.scales = 3;
  Blocks blocks(stream, layout, zeros(27));
  blocks.step(stream, {1, 0, 0, 1}, zeros(27));
  CHECK(same_bits(blocks.w.values(), zeros(27)));
  for (const float value : blocks.scale.values()) CHECK(value == Approx(1e4));  // 1 / sqrt(epsilon)
}

TEST_CASE("Mean deviation averages over samples, not over their union", "[update]") {
  ON_EVERY_DEVICE(stream);
  DeviceArray<float> result(stream, {1});
  // Two constant samples of different value, one alternating by 1 around 5, one by 3 around 0.
  const DeviceArray small(stream, {2, 2, 2, 2, 1},
                          std::vector<float>{1, 1, 1, 1, 9, 9, 9, 9, 4, 6, 4, 6, 3, -3, 3, -3});
  CLADE_KERNEL(mean_deviation)(stream, small, result);
  CHECK(result.values()[0] == 1.0f);

  const Shape large{2, 3, 33, 31, 1};
  const std::vector<float> values = normal_values(large.size(), 1);
  CLADE_KERNEL(mean_deviation)(stream, DeviceArray(stream, large, values), result);
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
  CHECK(result.values()[0] == Approx(expected).epsilon(kEpsilon));
}
