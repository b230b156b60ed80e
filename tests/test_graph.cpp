// SPDX-License-Identifier: Apache-2.0
// What a step reads and writes on the device, and steps replayed from a graph.
#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "core/philox.h"
#include "engine/graph.h"
#include "tests/support/backend.h"
#include "tests/support/compare.h"
#include "tests/support/conv_cases.h"
#include "tests/support/random_data.h"

using namespace clade;
using namespace clade::kernels;
using namespace clade::test;

namespace {

using Images = std::vector<std::vector<float>>;

std::vector<float> joined(const Images& images) {
  std::vector<float> all;
  for (const auto& image : images) all.insert(all.end(), image.begin(), image.end());
  return all;
}

StepControl only(const DeviceArray<StepControl>& control) { return control.values()[0]; }

}  // namespace

TEST_CASE("Losses of a step go to its row, and advance the step while they are finite", "[graph]") {
  ON_EVERY_DEVICE(stream);
  DeviceArray<float> a(stream, {1}), b(stream, {1}), c(stream, {1}), log(stream, {3, 3});
  log.assign(std::vector<float>(9, -1.0f));
  ScalarList losses;
  for (DeviceArray<float>* loss : {&a, &b, &c}) losses.values[losses.count++] = loss->data();
  DeviceArray control(stream, {1}, std::vector{StepControl{10, 20, 0, 1}});
  const auto finish = [&](float x, float y, float z) {
    a.assign({x});
    b.assign({y});
    c.assign({z});
    CLADE_KERNEL(finish_losses)(stream, losses, 4, control, log);
  };

  finish(1, 2, 3);
  finish(4, 5, 6);
  CHECK(log.values() == std::vector<float>{1, 2, 3, 4, 5, 6, -1, -1, -1});
  CHECK(only(control).step == 12);
  CHECK(only(control).pair == 28);
  CHECK(only(control).row == 2);
  CHECK(only(control).finite == 1);

  // The row that broke the training is kept, for the message; after it nothing is written any more.
  const float broken = GENERATE(std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity());
  finish(7, broken, 9);
  finish(1, 1, 1);
  const std::vector<float> rows = log.values();
  CHECK(std::vector(rows.begin(), rows.begin() + 7) == std::vector<float>{1, 2, 3, 4, 5, 6, 7});
  CHECK_FALSE(std::isfinite(rows[7]));
  CHECK(rows[8] == 9.0f);
  CHECK(only(control).step == 12);
  CHECK(only(control).pair == 28);
  CHECK(only(control).row == 3);
  CHECK(only(control).finite == 0);
}

TEST_CASE("Rows of losses are counted round", "[graph]") {
  ON_EVERY_DEVICE(stream);
  DeviceArray loss(stream, {1}, std::vector<float>{5});
  DeviceArray log(stream, {2, 1}, std::vector<float>{0, 0});
  DeviceArray control(stream, {1}, std::vector{StepControl{0, 0, 3, 1}});
  ScalarList losses;
  losses.values[losses.count++] = loss.data();
  CLADE_KERNEL(finish_losses)(stream, losses, 1, control, log);
  CHECK(log.values() == std::vector<float>{0, 5});
  CHECK(only(control).row == 4);
}

TEST_CASE("Pairs are taken in order, round and round", "[graph]") {
  ON_EVERY_DEVICE(stream);
  const std::int64_t pairs = 5, pixels = GENERATE(7, 64);
  Images images_x, images_y;
  for (unsigned i = 0; i < pairs; ++i) {
    images_x.push_back(normal_values(pixels, i));
    images_y.push_back(normal_values(pixels, 100 + i));
  }
  const DeviceArray data_x(stream, {pairs, pixels}, joined(images_x)),
      data_y(stream, {pairs, pixels}, joined(images_y));
  // Epochs later the position no longer fits 32 bits.
  for (const std::int64_t pair : {std::int64_t{0}, std::int64_t{4}, std::int64_t{5'000'000'003}}) {
    INFO("pair " << pair);
    const std::size_t first = static_cast<std::size_t>(pair % pairs);
    Images expected_x, expected_y;
    for (std::size_t i = 0; i < 3; ++i) {
      expected_x.push_back(images_x[(first + i) % pairs]);
      expected_y.push_back(images_y[(first + i) % pairs]);
    }
    const DeviceArray control(stream, {1}, std::vector{StepControl{0, pair, 0, 1}});
    DeviceArray<float> x(stream, {3, pixels}), y(stream, {3, pixels});
    CLADE_KERNEL(take_pairs)(stream, control, data_x, data_y, x, y);
    CHECK(same_bits(x.values(), joined(expected_x)));
    CHECK(same_bits(y.values(), joined(expected_y)));
  }
}

TEST_CASE("The image pool shows and exchanges by its rule", "[graph]") {
  ON_EVERY_DEVICE(stream);
  const std::int64_t batch = GENERATE(1, 3), pixels = GENERATE(6, 1024);
  const std::int32_t capacity = 4;
  const PoolRule rule{capacity, 0x1234567890abcdefu};
  DeviceArray pool(stream, {capacity, pixels}, std::vector<float>(static_cast<std::size_t>(capacity * pixels)));
  Images model(static_cast<std::size_t>(capacity), std::vector<float>(static_cast<std::size_t>(pixels)));
  int old_ones = 0, images = 0;
  for (std::int64_t step = 0; step < 40 / batch; ++step) {
    INFO("step " << step);
    Images fakes, expected;
    for (std::int64_t sample = 0; sample < batch; ++sample) {
      const std::int64_t image = step * batch + sample;
      fakes.push_back(normal_values(pixels, static_cast<unsigned>(image)));
      expected.push_back(fakes.back());
      if (image < capacity) {
        model[static_cast<std::size_t>(image)] = fakes.back();
        continue;
      }
      ++images;
      RandomSequence random(rule.seed, RandomUse::pool, static_cast<std::uint64_t>(image));
      if (random.next_below(2) == 0) continue;
      ++old_ones;
      std::swap(expected.back(), model[random.next_below(capacity)]);
    }
    const DeviceArray control(stream, {1}, std::vector{StepControl{step, 0, 0, 1}});
    const DeviceArray on_device(stream, {batch, pixels}, joined(fakes));
    DeviceArray<float> shown(stream, {batch, pixels});
    CLADE_KERNEL(pool_exchange)(stream, rule, control, on_device, pool, shown);
    CHECK(same_bits(shown.values(), joined(expected)));
    CHECK(same_bits(pool.values(), joined(model)));
  }
  // Both branches were taken, about as often.
  CHECK(old_ones > images / 4);
  CHECK(old_ones < images * 3 / 4);
}

namespace {

/// A small training whose steps are the same calls every time: a convolution learns to map x to y.
struct Training {
  explicit Training(Stream& device_stream) : stream(device_stream) {
    log.assign(std::vector<float>(kRows));
    pool.assign(std::vector<float>(3 * kPixels));
    for (DeviceArray<float>* moment : {&m, &v}) moment->assign(zeros);
    CLADE_KERNEL(demodulation_scales)(stream, OutputDimension::first, 1e-8f, w, scale);
    losses.values[losses.count++] = loss.data();
  }

  void step() {
    CLADE_KERNEL(take_pairs)(stream, control, data_x, data_y, x, y);
    CLADE_KERNEL(conv_forward)(stream, shape, x, w, scale, View<const float>(), Activation::tanh, View<const float>(),
                               out);
    CLADE_KERNEL(pool_exchange)(stream, PoolRule{3, 5}, control, out, pool, shown);
    CLADE_KERNEL(l1_forward)(stream, shown, y, loss);
    CLADE_KERNEL(l1_backward)(stream, out, y, one, WriteMode::overwrite, dout);
    const View<float> dz(dout.data(), shape.output());
    CLADE_KERNEL(epilogue_backward)(stream, Activation::tanh, scale, View<const float>(out.data(), shape.output()), dz,
                                    WriteMode::overwrite, View<float>());
    CLADE_KERNEL(conv_backward_weight)(stream, shape, std::array{ConvUse{{x.data(), shape.input()}, dz}},
                                       WriteMode::overwrite, dw);
    CLADE_KERNEL(finish_losses)(stream, losses, kBatch, control, log);
    CLADE_KERNEL(update_demodulated)(stream, AdamParameters{}, 1e-8f, segments, control, dw, m, v, w, scale);
  }

  std::vector<std::vector<float>> values() const { return {w.values(), scale.values(), log.values(), pool.values()}; }

  static constexpr int kBatch = 2, kPairs = 5, kRows = 8;
  static constexpr std::int64_t kPixels = 8 * 8 * 8;
  Stream& stream;
  // 8 to 8 channels: sums over 128 pixels for the weights, which a CUDA device takes in several pieces.
  ConvShape shape = direct(1, kBatch, 8, 8, 8, 8, 3, 1, 1, PadMode::reflect);
  std::vector<float> zeros = std::vector<float>(static_cast<std::size_t>(shape.weight().size()));
  std::vector<ParameterSegment> segments{{0, 0, 1, 8, 72, OutputDimension::first, true}};
  ScalarList losses;
  DeviceArray<StepControl> control{stream, {1}, std::vector{StepControl{}}};
  DeviceArray<float> data_x{stream, {kPairs, kPixels}, normal_values(kPairs* kPixels, 1)};
  DeviceArray<float> data_y{stream, {kPairs, kPixels}, normal_values(kPairs* kPixels, 2)};
  DeviceArray<float> one{stream, {1}, std::vector<float>{1}};
  DeviceArray<float> w{stream, shape.weight(), normal_values(shape.weight().size(), 3)};
  DeviceArray<float> x{stream, {kBatch, kPixels}}, y{stream, {kBatch, kPixels}}, out{stream, {kBatch, kPixels}};
  DeviceArray<float> shown{stream, {kBatch, kPixels}}, dout{stream, {kBatch, kPixels}}, pool{stream, {3, kPixels}};
  DeviceArray<float> scale{stream, {1, 8}}, m{stream, shape.weight()};
  DeviceArray<float> v{stream, shape.weight()}, dw{stream, shape.weight()}, loss{stream, {1}}, log{stream, {kRows, 1}};
};

}  // namespace

TEST_CASE("A replayed step does what the calls do, with what is on the device at the time", "[graph]") {
  ON_EVERY_DEVICE(stream);
  Training eager(stream), replayed(stream);
  StepGraph graph;
  for (int step = 0; step < 4; ++step) {
    eager.step();
    graph.run(stream, [&] { replayed.step(); });
    INFO("step " << step);
    CHECK(replayed.values() == eager.values());
    CHECK(only(replayed.control).step == step + 1);
    CHECK(only(replayed.control).pair == 2 * (step + 1));
  }

  // Data and position given from the host between steps are seen as well.
  const std::vector<float> other = normal_values(Training::kPairs * Training::kPixels, 9);
  for (Training* training : {&eager, &replayed}) {
    training->data_x.assign(other);
    training->control.assign({StepControl{4, 3, 0, 1}});
  }
  eager.step();
  graph.run(stream, [&] { replayed.step(); });
  CHECK(replayed.values() == eager.values());
  CHECK(only(replayed.control).pair == 5);

  // After losses that are not finite, a replay changes nothing but what each step computes anew.
  std::vector<float> bad = other;
  bad[3 * static_cast<std::size_t>(Training::kPixels)] = std::numeric_limits<float>::infinity();
  replayed.data_y.assign(bad);
  replayed.control.assign({StepControl{5, 3, 1, 1}});
  const std::vector<float> weights = replayed.w.values();
  graph.run(stream, [&] { replayed.step(); });
  graph.run(stream, [&] { replayed.step(); });
  CHECK(same_bits(replayed.w.values(), weights));
  CHECK(only(replayed.control).finite == 0);
  CHECK(only(replayed.control).step == 5);
}

TEST_CASE("A graph is recorded anew after a failure and when its memory has moved", "[graph]") {
  ON_EVERY_DEVICE(stream);
  DeviceArray a(stream, {2}, std::vector<float>{1, 2});
  DeviceArray b(stream, {2}, std::vector<float>{5, 6});
  DeviceArray sum(stream, {2}, std::vector<float>{0, 0});
  StepGraph graph;
  const auto add_to_sum = [&](DeviceArray<float>& terms) {
    return [&] { CLADE_KERNEL(scale_into)(stream, 1.0f, terms, WriteMode::accumulate, sum); };
  };
  graph.run(stream, add_to_sum(a));
  CHECK_THROWS_AS(graph.run(stream, [] { throw std::runtime_error("in the middle of a step"); }), std::runtime_error);
  CHECK(sum.values() == std::vector<float>{1, 2});
  graph.run(stream, add_to_sum(a));
  graph.run(stream, add_to_sum(a));
  CHECK(sum.values() == std::vector<float>{3, 6});

  graph.reset();
  for (int i = 0; i < 3; ++i) graph.run(stream, add_to_sum(b));
  CHECK(sum.values() == std::vector<float>{18, 24});
}
