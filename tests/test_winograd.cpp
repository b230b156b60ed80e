// SPDX-License-Identifier: Apache-2.0
// Winograd convolution on the CPU, all schemes, against the definition in double.
#include <array>
#include <span>
#include <string>

#include "kernels/cpu/winograd.h"
#include "kernels/cpu/winograd_resampling.h"
#include "kernels/kernels.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"
#include "tests/support/conv_cases.h"
#include "tests/support/random_data.h"
#include "tests/support/reference.h"

using namespace clade;
using namespace clade::kernels;
using namespace clade::kernels::cpu;
using namespace clade::test;

namespace {

ConvShape shape_of(int nets, int n, int h, int w, int cin, int cout, PadMode mode) {
  return {nets, n, h, w, cin, cout, 3, 1, 1, mode, ConvKind::direct, 0};
}

// Whole tiles, cut tiles, images smaller than a tile, several nets, a panel of tiles and more, more than one chunk,
// channels that fill no block of 32 and no pair of panels.
std::vector<ConvShape> shapes() {
  std::vector<ConvShape> list;
  for (PadMode mode : {PadMode::zero, PadMode::reflect, PadMode::replicate})
    for (const auto& [h, w] : {std::pair{8, 8}, {5, 7}, {4, 9}, {2, 3}})
      list.push_back(shape_of(2, 3, h, w, 16, 48, mode));
  for (const auto& [h, w] : {std::pair{4, 4}, {7, 10}, {8, 6}, {2, 3}})
    list.push_back(direct(2, 3, h, w, 16, 48, 4, 1, 1, PadMode::zero));
  list.push_back(direct(1, 12, 4, 4, 64, 96, 4, 1, 1, PadMode::zero));
  list.push_back(shape_of(1, 40, 9, 10, 32, 16, PadMode::reflect));
  list.push_back(shape_of(2, 1, 8, 8, 48, 32, PadMode::reflect));
  list.push_back(shape_of(1, 1, 8, 8, 256, 256, PadMode::reflect));
  return list;
}

// Every border, images of one tile and of many, more tiles than a task takes and more terms than are summed at once,
// channels that fill no block of 32 and no pair of panels.
std::vector<ConvShape> resampling_shapes() {
  std::vector<ConvShape> list;
  for (int k : {3, 4})
    for (PadMode mode : {PadMode::zero, PadMode::reflect, PadMode::replicate})
      for (const auto& [h, w] : {std::pair{8, 8}, {4, 12}, {20, 4}})
        list.push_back(direct(2, 3, h, w, 16, 48, k, 2, 1, mode));
  list.push_back(direct(1, 2, 7, 11, 16, 16, 3, 2, 1, PadMode::reflect));  // 4 x 6 outputs of an odd image
  list.push_back(direct(1, 2, 9, 13, 16, 16, 4, 2, 1, PadMode::reflect));
  list.push_back(direct(1, 20, 16, 16, 80, 32, 3, 2, 1, PadMode::zero));
  list.push_back(direct(2, 9, 32, 32, 32, 64, 4, 2, 1, PadMode::zero));
  for (const auto& [h, w] : {std::pair{4, 4}, {2, 8}, {10, 6}}) list.push_back(transposed(2, 3, h, w, 16, 48, 1));
  list.push_back(transposed(1, 20, 8, 8, 48, 32, 1));
  list.push_back(transposed(1, 2, 4, 6, 16, 16, 0));  // 7 x 11 outputs
  for (const auto& [h, w] : {std::pair{8, 8}, {5, 7}, {1, 2}}) list.push_back(resize(2, 3, h, w, 16, 48));
  list.push_back(resize(1, 5, 9, 10, 32, 16));
  list.push_back(resize(1, 12, 8, 8, 272, 16));
  return list;
}

/// The kernels under test.
struct ByTiles {
  int tile;
  void forward(Stream& stream, const ConvShape& s, const Floats& x, const Floats& w, const Epilogue& epilogue,
               Floats& y) const {
    winograd_forward(stream, s, tile, x.data(), w.data(), epilogue, y.data());
  }
  void backward_input(Stream& stream, const ConvShape& s, const Floats& dy, const Floats& w, WriteMode mode,
                      Floats& dx) const {
    winograd_backward_input(stream, s, tile, dy.data(), w.data(), mode, dx.data());
  }
  void backward_weight(Stream& stream, const ConvShape& s, std::span<const ConvUse> uses, WriteMode mode,
                       Floats& dw) const {
    winograd_backward_weight(stream, s, tile, uses, mode, dw.data());
  }
};
struct ByResampling {
  void forward(Stream& stream, const ConvShape& s, const Floats& x, const Floats& w, const Epilogue& epilogue,
               Floats& y) const {
    resampling_forward(stream, s, x.data(), w.data(), epilogue, y.data());
  }
  void backward_input(Stream& stream, const ConvShape& s, const Floats& dy, const Floats& w, WriteMode mode,
                      Floats& dx) const {
    resampling_backward_input(stream, s, dy.data(), w.data(), mode, dx.data());
  }
  void backward_weight(Stream& stream, const ConvShape& s, std::span<const ConvUse> uses, WriteMode mode,
                       Floats& dw) const {
    resampling_backward_weight(stream, s, uses, mode, dw.data());
  }
};

std::array<ConvUse, 1> use_of(const ConvShape& s, const Floats& x, const Floats& dy) {
  return {ConvUse{{x.data(), s.input()}, {dy.data(), s.output()}}};
}

/// All passes against the definition. Errors are those of sums of random signs times `factor`, by which the transforms'
/// matrices amplify them.
template <class Way>
void check_passes(const Way& way, const ConvShape& s, double factor) {
  ThreadPool pool(2);
  Stream stream(Device{}, pool);
  INFO(s.input() << " to " << s.output() << ", taps " << s.k << ", border " << static_cast<int>(s.pad_mode));
  const Floats x = normal_values(s.input().size(), 1), w = normal_values(s.weight().size(), 2);
  const Floats bias = normal_values(s.nets * s.cout, 3), dy = normal_values(s.output().size(), 4);
  const Floats old_dx = normal_values(s.input().size(), 5), old_dw = normal_values(s.weight().size(), 6);
  Floats scale(bias.size());  // of about the same size, as errors are measured against typical values
  for (std::size_t i = 0; i < scale.size(); ++i) scale[i] = i % 2 == 0 ? 1.25f : -0.875f;

  Floats y(dy.size(), -7.0f);
  way.forward(stream, s, x, w, {nullptr, bias.data(), Activation::leaky_relu, s.cout}, y);
  CHECK(relative_error(y, reference_conv_forward(s, x, w, bias, Activation::leaky_relu)) <
        factor * sum_tolerance(s.k * s.k * s.cin));
  way.forward(stream, s, x, w, {scale.data(), nullptr, Activation::none, s.cout}, y);
  Doubles scaled = reference_conv_forward(s, x, w, {}, Activation::none);
  const std::size_t channels = static_cast<std::size_t>(s.cout), net = y.size() / static_cast<std::size_t>(s.nets);
  for (std::size_t i = 0; i < y.size(); ++i) scaled[i] *= scale[i / net * channels + i % channels];
  CHECK(relative_error(y, scaled) < factor * sum_tolerance(s.k * s.k * s.cin));
  way.forward(stream, s, x, w, {scale.data(), nullptr, Activation::none, s.cout, dy.data(), y.data()}, y);
  for (std::size_t i = 0; i < y.size(); ++i) scaled[i] += dy[i];
  CHECK(relative_error(y, scaled) < factor * sum_tolerance(s.k * s.k * s.cin));

  for (WriteMode mode : {WriteMode::overwrite, WriteMode::accumulate}) {
    const bool adds = mode == WriteMode::accumulate;
    Doubles expected_dx = reference_conv_backward_input(s, dy, w);
    Doubles expected_dw = reference_conv_backward_weight(s, x, dy);
    for (std::size_t i = 0; adds && i < expected_dx.size(); ++i) expected_dx[i] += old_dx[i];
    for (std::size_t i = 0; adds && i < expected_dw.size(); ++i) expected_dw[i] += old_dw[i];
    Floats dx = old_dx, dw = old_dw;
    way.backward_input(stream, s, dy, w, mode, dx);
    CHECK(relative_error(dx, expected_dx) < factor * sum_tolerance(s.k * s.k * s.cout));
    way.backward_weight(stream, s, use_of(s, x, dy), mode, dw);
    CHECK(relative_error(dw, expected_dw) < factor * sum_tolerance(s.n * s.h * s.w));
  }
}

template <class Way>
void check_threads(const Way& way, const ConvShape& s, int threads) {
  INFO(s.input() << " to " << s.output());
  const Floats x = normal_values(s.input().size(), 1), w = normal_values(s.weight().size(), 2);
  const Floats dy = normal_values(s.output().size(), 3);
  std::vector<Floats> results;
  for (int count : {1, threads}) {
    ThreadPool pool(count);
    Stream stream(Device{}, pool);
    Floats y(dy.size()), dx(x.size()), dw(w.size());
    way.forward(stream, s, x, w, Epilogue{}, y);
    way.backward_input(stream, s, dy, w, WriteMode::overwrite, dx);
    way.backward_weight(stream, s, use_of(s, x, dy), WriteMode::overwrite, dw);
    results.insert(results.end(), {y, dx, dw});
  }
  for (std::size_t i = 0; i < 3; ++i) CHECK(same_bits(results[i], results[i + 3]));
}

}  // namespace

TEST_CASE("Winograd convolution and its gradients agree with the definition", "[winograd]") {
  const int tile = GENERATE(2, 4);
  for (const ConvShape& s : shapes()) {
    INFO("tile " << tile);
    // Matrices of six products along an axis have factors of up to 8.
    check_passes(ByTiles{tile}, s, s.k == 4 || tile == 4 ? 8.0 : 1.0);
  }
}

TEST_CASE("Winograd convolution does not depend on the number of threads", "[winograd]") {
  const int tile = GENERATE(2, 4);
  check_threads(ByTiles{tile}, shape_of(2, 3, 7, 8, 32, 80, PadMode::reflect), 3);
  // So many tiles that threads share them out; groups of panels with a rest.
  check_threads(ByTiles{tile}, shape_of(1, 9, 16, 15, 16, 48, PadMode::reflect), 3);
  check_threads(ByTiles{tile}, shape_of(2, 9, 16, 15, 16, 48, PadMode::reflect), 5);
  check_threads(ByTiles{tile}, shape_of(1, 1, 8, 8, 144, 64, PadMode::reflect), 3);
}

TEST_CASE("Convolutions that halve or double an image agree with the definition with fewer products", "[winograd]") {
  for (const ConvShape& s : resampling_shapes()) {
    REQUIRE(resamples(s));
    check_passes(ByResampling{}, s, 1.0);
  }
}

TEST_CASE("Convolutions that halve or double an image do not depend on the number of threads", "[winograd]") {
  for (const ConvShape& s :
       {direct(1, 12, 32, 32, 16, 96, 3, 2, 1, PadMode::reflect), direct(1, 3, 16, 16, 80, 96, 4, 2, 1, PadMode::zero),
        transposed(2, 3, 8, 8, 64, 48, 1), resize(1, 1, 8, 8, 64, 80)})
    check_threads(ByResampling{}, s, 5);
}

TEST_CASE("Uses of a layer that halves or doubles an image add up to its weight gradient", "[winograd]") {
  ThreadPool pool(2);
  Stream stream(Device{}, pool);
  for (const ConvShape& one : {direct(1, 2, 8, 8, 16, 32, 3, 2, 1, PadMode::zero), transposed(1, 2, 4, 4, 16, 32, 1),
                               resize(1, 2, 4, 4, 16, 32)}) {
    ConvShape all = one;
    all.n = 4;
    const Floats x = normal_values(all.input().size(), 1), dy = normal_values(all.output().size(), 2);
    const auto use = [&](std::size_t i) {
      return ConvUse{{x.data() + i * x.size() / 2, one.input()}, {dy.data() + i * dy.size() / 2, one.output()}};
    };
    Floats dw(static_cast<std::size_t>(all.weight().size()));
    resampling_backward_weight(stream, all, std::array{use(0), use(1)}, WriteMode::overwrite, dw.data());
    CHECK(relative_error(dw, reference_conv_backward_weight(all, x, dy)) < sum_tolerance(all.n * all.h * all.w));
  }
}

TEST_CASE("Layers take the Winograd way that is fastest for their pixels", "[winograd]") {
  ConvShape trunk = shape_of(2, 1, 8, 8, 256, 256, PadMode::reflect);
  ConvShape critic = direct(2, 1, 4, 4, 256, 512, 4, 1, 1, PadMode::zero);
  const auto tiles = [](ConvShape s, int n) {
    s.n = n;
    return std::array{winograd_tile(s, ConvPass::forward), winograd_tile(s, ConvPass::backward_input),
                      winograd_tile(s, ConvPass::backward_weight)};
  };
  CHECK(tiles(trunk, 1) == std::array{2, 4, 0});
  CHECK(tiles(trunk, 2) == std::array{2, 4, 2});
  CHECK(tiles(trunk, 3) == std::array{4, 4, 2});
  CHECK(tiles(trunk, 8) == std::array{4, 4, 4});
  CHECK(tiles(critic, 2) == std::array{0, 0, 0});
  CHECK(tiles(critic, 4) == std::array{0, 3, 0});
  CHECK(tiles(critic, 8) == std::array{3, 3, 0});
  CHECK(tiles(critic, 16) == std::array{3, 3, 3});

  ConvShape strided = trunk;
  strided.stride = 2;
  ConvShape odd = trunk;
  odd.cin = 250;
  ConvShape wide = trunk;
  wide.k = 5;
  wide.pad = 2;
  for (const ConvShape& other : {strided, odd, wide}) CHECK(tiles(other, 32) == std::array{0, 0, 0});
}

TEST_CASE("Layers that halve or double an image take fewer products where it pays", "[winograd]") {
  const auto passes = [](ConvShape s, int n) {
    s.n = n;
    return std::array{resamples_faster(s, ConvPass::forward), resamples_faster(s, ConvPass::backward_input),
                      resamples_faster(s, ConvPass::backward_weight)};
  };
  const ConvShape down = direct(2, 1, 16, 16, 128, 256, 3, 2, 1, PadMode::zero);
  CHECK(passes(down, 1) == std::array{false, false, false});
  CHECK(passes(down, 2) == std::array{true, false, false});
  CHECK(passes(down, 4) == std::array{true, true, true});
  const ConvShape up = transposed(2, 1, 8, 8, 256, 128, 1);
  CHECK(passes(up, 2) == std::array{false, true, false});
  CHECK(passes(up, 4) == std::array{true, true, true});
  CHECK(passes(resize(2, 1, 8, 8, 256, 128), 1) == std::array{true, true, true});

  // Channels that fill no panel, outputs that fill no tile, no padding, another stride.
  for (const ConvShape& other :
       {direct(1, 64, 16, 16, 24, 32, 3, 2, 1, PadMode::zero), direct(1, 64, 17, 17, 32, 32, 3, 2, 1, PadMode::zero),
        direct(1, 64, 18, 18, 32, 32, 4, 2, 0, PadMode::zero), direct(1, 64, 16, 16, 32, 32, 3, 1, 1, PadMode::zero),
        transposed(1, 64, 8, 9, 32, 32, 1)})
    CHECK_FALSE(resamples(other));
}
