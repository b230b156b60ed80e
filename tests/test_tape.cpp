// SPDX-License-Identifier: Apache-2.0
// The tape itself, and every op through it.
#include <algorithm>
#include <array>
#include <map>

#include "tests/support/gradcheck.h"

using namespace clade;
using kernels::AdversarialLoss;
using test::check_gradients;
using test::random_tensor;

namespace {

std::vector<Tensor> tensors(Stream& stream, std::initializer_list<Shape> shapes, double deviation = 1.0) {
  std::vector<Tensor> result;
  std::uint64_t index = 1;
  for (const Shape& shape : shapes) result.push_back(random_tensor(stream, shape, index++, deviation));
  return result;
}

}  // namespace

TEST_CASE("conv2d: gradients of input, weights and bias", "[tape]") {
  ON_EVERY_DEVICE(stream);
  struct Case {
    ConvGeometry geometry;
    Shape x, w, bias;
  };
  const std::vector<Case> cases{
      {{ConvKind::direct, 1, 1, PadMode::reflect, 0}, {2, 2, 5, 4, 3}, {2, 4, 3, 3, 3}, {2, 4}},
      {{ConvKind::direct, 2, 1, PadMode::zero, 0}, {1, 2, 7, 6, 2}, {1, 3, 3, 3, 2}, {1, 3}},
      {{ConvKind::direct, 1, 3, PadMode::reflect, 0}, {2, 1, 4, 5, 3}, {2, 1, 7, 7, 3}, {2, 1}},
      {{ConvKind::transposed, 2, 1, PadMode::zero, 1}, {2, 1, 3, 4, 3}, {2, 3, 3, 3, 2}, {2, 2}},
      {{ConvKind::resize, 1, 1, PadMode::reflect, 0}, {2, 1, 3, 4, 3}, {2, 2, 3, 3, 3}, {2, 2}}};
  for (const Case& c : cases)
    for (Activation activation : {Activation::none, Activation::tanh}) {
      INFO("input " << c.x << ", weights " << c.w << ", activation " << static_cast<int>(activation));
      check_gradients(
          stream,
          [&](Tape& tape, const std::vector<Var>& v) { return conv2d(tape, v[0], v[1], v[2], c.geometry, activation); },
          tensors(stream, {c.x, c.w, c.bias}, 0.5));
    }
}

TEST_CASE("conv2d: rectifiers pass gradient only where they are open", "[tape]") {
  ON_EVERY_DEVICE(stream);
  // Kinks make differences less exact than for smooth functions: the step is small and few outputs are near 0.
  const ConvGeometry geometry{ConvKind::direct, 1, 1, PadMode::reflect, 0};
  for (Activation activation : {Activation::relu, Activation::leaky_relu})
    check_gradients(
        stream,
        [&](Tape& tape, const std::vector<Var>& v) { return conv2d(tape, v[0], v[1], v[2], geometry, activation); },
        tensors(stream, {{1, 1, 6, 6, 4}, {1, 3, 3, 3, 4}, {1, 3}}), 1e-2, 2e-3);
}

TEST_CASE("conv2d: a scale of the outputs is a constant", "[tape]") {
  ON_EVERY_DEVICE(stream);
  const Tensor scale = random_tensor(stream, {2, 3}, 9);
  for (Activation activation : {Activation::none, Activation::tanh})
    check_gradients(
        stream,
        [&](Tape& tape, const std::vector<Var>& v) {
          return conv2d(tape, v[0], v[1], v[2], {ConvKind::direct, 1, 1, PadMode::reflect, 0}, activation, scale.view());
        },
        tensors(stream, {{2, 1, 4, 5, 2}, {2, 3, 3, 3, 2}, {2, 3}}, 0.5));
}

TEST_CASE("conv2d: gradients of a residual, also where it is the input", "[tape]") {
  ON_EVERY_DEVICE(stream);
  const Tensor scale = random_tensor(stream, {2, 3}, 9);
  const ConvGeometry geometry{ConvKind::direct, 1, 1, PadMode::reflect, 0};
  check_gradients(
      stream,
      [&](Tape& tape, const std::vector<Var>& v) {
        return conv2d(tape, v[0], v[1], v[2], geometry, Activation::none, scale.view(), v[3]);
      },
      tensors(stream, {{2, 1, 4, 5, 2}, {2, 3, 3, 3, 2}, {2, 3}, {2, 1, 4, 5, 3}}, 0.5));
  check_gradients(
      stream,
      [&](Tape& tape, const std::vector<Var>& v) {
        const Var inner = conv2d(tape, v[0], v[1], v[2], geometry, Activation::tanh);
        return conv2d(tape, inner, v[1], v[2], geometry, Activation::none, scale.view(), inner);
      },
      tensors(stream, {{2, 1, 4, 5, 3}, {2, 3, 3, 3, 3}, {2, 3}}, 0.5));
}

TEST_CASE("instance_norm, add, slice and stack: gradients", "[tape]") {
  ON_EVERY_DEVICE(stream);
  SECTION("instance_norm") {
    check_gradients(
        stream,
        [](Tape& tape, const std::vector<Var>& v) {
          return conv2d(tape, instance_norm(tape, v[0], Activation::none), v[1], v[2],
                        {ConvKind::direct, 1, 1, PadMode::zero, 0}, Activation::tanh);
        },
        tensors(stream, {{2, 2, 4, 5, 3}, {2, 2, 3, 3, 3}, {2, 2}}));
  }
  SECTION("add, with one input used twice") {
    check_gradients(
        stream, [](Tape& tape, const std::vector<Var>& v) { return add(tape, v[0], add(tape, v[0], v[1])); },
        tensors(stream, {{1, 2, 3, 3, 2}, {1, 2, 3, 3, 2}}));
  }
  SECTION("slice and stack, overlapping slices add up") {
    check_gradients(
        stream,
        [](Tape& tape, const std::vector<Var>& v) {
          const std::array parts{slice(tape, v[0], 1, 0, 2), slice(tape, v[0], 1, 1, 1), slice(tape, v[0], 0, 2, 1),
                                 v[1]};
          return stack(tape, parts, {1, 5, 2, 3, 1});
        },
        tensors(stream, {{2, 3, 2, 3, 1}, {1, 1, 2, 3, 1}}));
  }
}

TEST_CASE("losses: gradients", "[tape]") {
  ON_EVERY_DEVICE(stream);
  const Tensor target = random_tensor(stream, {1, 2, 6, 5, 1}, 77);
  const auto constant = [&](Tape& tape) { return tape.constant(target.view()); };
  SECTION("l1") {
    check_gradients(
        stream, [&](Tape& tape, const std::vector<Var>& v) { return l1_mean(tape, v[0], constant(tape)); },
        tensors(stream, {{1, 2, 6, 5, 1}}), 2e-2, 1e-3);
  }
  SECTION("adversarial") {
    for (auto kind : {AdversarialLoss::bce, AdversarialLoss::lsgan})
      for (float label : {0.0f, 1.0f})
        check_gradients(
            stream, [&](Tape& tape, const std::vector<Var>& v) { return adversarial_mean(tape, v[0], kind, label); },
            tensors(stream, {{2, 1, 2, 2, 1}}));
  }
  SECTION("gradient map") {
    for (auto form : {kernels::GradientForm::combined, kernels::GradientForm::separate})
      check_gradients(
          stream,
          [&](Tape& tape, const std::vector<Var>& v) { return sobel_l1_mean(tape, v[0], constant(tape), form); },
          tensors(stream, {{1, 2, 6, 5, 1}}), 2e-2, 1e-3);
  }
  SECTION("weighted sum") {
    check_gradients(
        stream,
        [](Tape& tape, const std::vector<Var>& v) {
          return weighted_sum(tape, v, std::array{0.5f, -2.0f});
        },
        tensors(stream, {{1}, {1}}));
  }
}

TEST_CASE("a sweep computes only what lies between its targets and its root", "[tape]") {
  ON_EVERY_DEVICE(stream);
  Arena arena(stream.device());
  Tape tape(stream, arena);
  Tensor x = random_tensor(stream, {1, 1, 4, 4, 1}, 1), gx(stream, x.shape());
  Tensor w = random_tensor(stream, {1, 1, 3, 3, 1}, 2), gw(stream, w.shape());
  const Tensor bias(stream, {1, 1});
  const Var vx = tape.parameter(x.view(), gx.view());
  const Var vw = tape.parameter(w.view(), gw.view());
  const Var y =
      conv2d(tape, vx, vw, tape.constant(bias.view()), {ConvKind::direct, 1, 1, PadMode::zero, 0}, Activation::tanh);
  const Var a = adversarial_mean(tape, y, AdversarialLoss::lsgan, 1.0f);
  const Var b = adversarial_mean(tape, y, AdversarialLoss::lsgan, 0.0f);

  tape.backward(a, std::array{vx});
  CHECK(tape.gradient(vx));
  CHECK_FALSE(tape.gradient(vw));
  const std::vector<float> first = gx.values(stream);

  tape.backward(b, std::array{vw});
  CHECK_FALSE(tape.gradient(vx));
  CHECK(tape.gradient(vw));

  // A sweep is not disturbed by the ones before it.
  tape.backward(a, std::array{vx, vw});
  CHECK(gx.values(stream) == first);

  // A target that the root does not depend on has gradient zero.
  Tensor other = random_tensor(stream, {1, 3}, 3), gother = random_tensor(stream, {1, 3}, 4);
  const Var unused = tape.parameter(other.view(), gother.view());
  tape.backward(a, std::array{unused});
  for (float g : gother.values(stream)) CHECK(g == 0.0f);
}

TEST_CASE("conv2d: weights used several times get the gradient of all uses that a sweep reaches", "[tape]") {
  ON_EVERY_DEVICE(stream);
  const ConvGeometry geometry{ConvKind::direct, 1, 1, PadMode::reflect, 0};
  check_gradients(
      stream,
      [&](Tape& tape, const std::vector<Var>& v) {
        const Var once = conv2d(tape, v[0], v[1], v[2], geometry, Activation::tanh);
        return conv2d(tape, once, v[1], v[2], geometry, Activation::tanh);
      },
      tensors(stream, {{2, 2, 4, 4, 3}, {2, 3, 3, 3, 3}, {2, 3}}, 0.5));

  // A use that the root does not depend on does not keep the others waiting.
  Arena arena(stream.device());
  Tape tape(stream, arena);
  Tensor x = random_tensor(stream, {1, 1, 4, 4, 2}, 1), w = random_tensor(stream, {1, 2, 3, 3, 2}, 2),
         gw(stream, w.shape());
  const Tensor bias(stream, {1, 2});
  const Var vx = tape.constant(x.view()), vb = tape.constant(bias.view()), vw = tape.parameter(w.view(), gw.view());
  const Var first = conv2d(tape, vx, vw, vb, geometry, Activation::tanh);
  const Var alone = adversarial_mean(tape, first, AdversarialLoss::lsgan, 1.0f);
  tape.backward(alone, std::array{vw});
  const std::vector<float> expected = gw.values(stream);
  CHECK(*std::ranges::max_element(expected) > 0.0f);
  conv2d(tape, first, vw, vb, geometry, Activation::tanh);
  tape.backward(alone, std::array{vw});
  CHECK(gw.values(stream) == expected);
}

TEST_CASE("a gradient may be used up, and its value changed, as soon as it is finished", "[tape]") {
  ON_EVERY_DEVICE(stream);
  const Shape weight{1, 3, 3, 3, 3}, channels{1, 3};
  const Tensor x = random_tensor(stream, {1, 2, 4, 4, 3}, 1, 0.5);
  Tensor unused = random_tensor(stream, channels, 6);
  // Two weights and two biases, the first of each used twice.
  const auto start = [&] {
    std::vector<Tensor> values;
    for (unsigned seed : {2u, 3u}) values.push_back(random_tensor(stream, weight, seed, 0.5));
    for (unsigned seed : {4u, 5u}) values.push_back(random_tensor(stream, channels, seed, 0.5));
    return values;
  };
  const auto root_of = [&](Tape& tape, const std::vector<Var>& v) {
    const ConvGeometry geometry{ConvKind::direct, 1, 1, PadMode::reflect, 0};
    Var y = tape.constant(x.view());
    for (const int i : {0, 1, 0}) {
      const auto layer = static_cast<std::size_t>(i);
      y = conv2d(tape, y, v[layer], v[2 + layer], geometry, Activation::tanh);
    }
    return adversarial_mean(tape, y, AdversarialLoss::lsgan, 1.0f);
  };
  const auto bind = [&](Tape& tape, std::vector<Tensor>& values, std::vector<Tensor>& gradients, bool shared) {
    std::vector<Var> vars;
    for (std::size_t i = 0; i < values.size(); ++i)
      vars.push_back(tape.parameter(values[i].view(), gradients[shared && i == 1 ? 0 : i].view()));
    vars.push_back(tape.parameter(unused.view(), gradients.back().view()));
    return vars;
  };
  const auto memory = [&] {
    std::vector<Tensor> gradients;
    for (const Shape& shape : {weight, weight, channels, channels, channels}) gradients.emplace_back(stream, shape);
    return gradients;
  };

  std::vector<Tensor> values = start(), whole = memory();
  Arena arena(stream.device());
  Tape tape(stream, arena);
  const std::vector<Var> vars = bind(tape, values, whole, false);
  tape.backward(root_of(tape, vars), vars);

  std::vector<Tensor> changed = start(), passing = memory();
  Arena other_arena(stream.device());
  Tape other(stream, other_arena);
  const std::vector<Var> others = bind(other, changed, passing, true);
  const Var root = root_of(other, others);
  std::map<std::size_t, std::vector<float>> finished;
  other.backward(root, others, [&](std::size_t i) {
    Tensor& place = passing[i == 1 ? 0 : i];
    CHECK_FALSE(finished.contains(i));
    finished[i] = place.values(stream);
    CLADE_KERNEL(fill)(stream, 7.0f, place.view());
    if (i < changed.size()) CLADE_KERNEL(fill)(stream, 7.0f, changed[i].view());
  });
  REQUIRE(finished.size() == whole.size());
  for (const auto& [i, gradient] : finished) {
    INFO("parameter " << i);
    CHECK(gradient == whole[i].values(stream));
  }
  CHECK(finished.at(4) == std::vector<float>(3, 0.0f));
}

TEST_CASE("weights shared with an op that does not gather are refused, not lost", "[tape]") {
  ON_EVERY_DEVICE(stream);
  Arena arena(stream.device());
  Tape tape(stream, arena);
  Tensor x = random_tensor(stream, {1, 1, 4, 4, 2}, 1), w = random_tensor(stream, {1, 2, 3, 3, 2}, 2),
         gw(stream, w.shape());
  const Tensor bias(stream, {1, 2});
  const Var vw = tape.parameter(w.view(), gw.view());
  const Var y = conv2d(tape, tape.constant(x.view()), vw, tape.constant(bias.view()),
                       {ConvKind::direct, 1, 1, PadMode::zero, 0}, Activation::tanh);
  const Var both = add(tape, adversarial_mean(tape, y, AdversarialLoss::lsgan, 1.0f),
                       adversarial_mean(tape, vw, AdversarialLoss::lsgan, 1.0f));
  CHECK_THROWS_AS(tape.backward(both, std::array{vw}), Error);
}

TEST_CASE("an identical program gets identical addresses after the arena is reset", "[tape]") {
  ON_EVERY_DEVICE(stream);
  Arena arena(stream.device());
  const Tensor x = random_tensor(stream, {1, 4, 32, 32, 8}, 1);
  const auto run = [&] {
    arena.reset();
    Tape tape(stream, arena);
    return tape.value(add(tape, tape.constant(x.view()), tape.constant(x.view()))).data;
  };
  CHECK(run() == run());
}

TEST_CASE("ops say which shapes do not fit", "[tape]") {
  ON_EVERY_DEVICE(stream);
  Arena arena(stream.device());
  Tape tape(stream, arena);
  const Tensor x = random_tensor(stream, {1, 1, 4, 4, 2}, 1), w = random_tensor(stream, {1, 1, 3, 3, 3}, 2),
               bias(stream, {1, 1});
  const Var vx = tape.constant(x.view()), vw = tape.constant(w.view()), vb = tape.constant(bias.view());
  CHECK_THROWS_AS(conv2d(tape, vx, vw, vb, {}, Activation::none), Error);
  const Tensor fitting = random_tensor(stream, {1, 1, 3, 3, 2}, 3);
  const Var vf = tape.constant(fitting.view()), residual = tape.constant(tape.value(vx));
  const ConvGeometry point{ConvKind::direct, 1, 1, PadMode::zero, 0};
  CHECK_NOTHROW(conv2d(tape, vx, vf, vb, point, Activation::tanh));
  CHECK_THROWS_AS(conv2d(tape, vx, vf, vb, point, Activation::none, {}, residual), Error);
  const Var same = conv2d(tape, vx, vf, vb, point, Activation::none);
  CHECK_THROWS_AS(conv2d(tape, vx, vf, vb, point, Activation::tanh, {}, same), Error);
  CHECK_THROWS_AS(add(tape, vx, vw), Error);
  CHECK_THROWS_AS(slice(tape, vx, 0, 1, 1), Error);
  CHECK_THROWS_AS(tape.backward(vx, std::array{vx}), Error);
}
