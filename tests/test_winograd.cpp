// SPDX-License-Identifier: Apache-2.0
// Winograd convolution on the CPU, both tiles, against the definition in double.
#include <array>
#include <string>

#include "kernels/cpu/winograd.h"
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
ConvShape upsampled(int nets, int n, int h, int w, int cin, int cout) {
  return {nets, n, h, w, cin, cout, 3, 1, 1, PadMode::reflect, ConvKind::resize, 0};
}

// Whole tiles, cut tiles, images smaller than a tile, several nets, a panel of tiles and more, more than one chunk,
// channels that fill no block of 32 and no pair of panels.
std::vector<ConvShape> shapes() {
  std::vector<ConvShape> list;
  for (PadMode mode : {PadMode::zero, PadMode::reflect, PadMode::replicate})
    for (const auto& [h, w] : {std::pair{8, 8}, {5, 7}, {4, 9}, {2, 3}})
      list.push_back(shape_of(2, 3, h, w, 16, 48, mode));
  for (const auto& [h, w] : {std::pair{8, 8}, {5, 7}, {1, 2}}) list.push_back(upsampled(2, 3, h, w, 16, 48));
  list.push_back(upsampled(1, 5, 9, 10, 32, 16));
  for (const auto& [h, w] : {std::pair{4, 4}, {7, 10}, {8, 6}, {2, 3}})
    list.push_back(direct(2, 3, h, w, 16, 48, 4, 1, 1, PadMode::zero));
  list.push_back(direct(1, 12, 4, 4, 64, 96, 4, 1, 1, PadMode::zero));
  list.push_back(shape_of(1, 40, 9, 10, 32, 16, PadMode::reflect));
  list.push_back(shape_of(2, 1, 8, 8, 48, 32, PadMode::reflect));
  list.push_back(shape_of(1, 1, 8, 8, 256, 256, PadMode::reflect));
  return list;
}

// A sum of rounding errors as in the direct product, times what the transforms' matrices amplify them by: those of six
// products along an axis have factors of up to 8.
double tolerance(const ConvShape& s, int tile, std::int64_t terms) {
  const bool six_products = s.k == 4 || (tile == 4 && s.kind == ConvKind::direct);
  return (six_products ? 8.0 : 1.0) * sum_tolerance(terms);
}

}  // namespace

TEST_CASE("Winograd convolution and its gradients agree with the definition", "[winograd]") {
  ThreadPool pool(2);
  Stream stream(Device{}, pool);
  const int tile = GENERATE(2, 4);
  for (const ConvShape& s : shapes()) {
    INFO("tile " << tile << ", " << s.input() << " to " << s.cout << ", border " << static_cast<int>(s.pad_mode));
    const Floats x = normal_values(s.input().size(), 1), w = normal_values(s.weight().size(), 2);
    const Floats bias = normal_values(s.nets * s.cout, 3), dy = normal_values(s.output().size(), 4);
    const Floats old_dx = normal_values(s.input().size(), 5), old_dw = normal_values(s.weight().size(), 6);

    Floats y(dy.size(), -7.0f);
    const Epilogue epilogue{nullptr, bias.data(), Activation::leaky_relu, s.cout};
    winograd_forward(stream, s, tile, x.data(), w.data(), epilogue, y.data());
    CHECK(relative_error(y, reference_conv_forward(s, x, w, bias, Activation::leaky_relu)) <
          tolerance(s, tile, s.k * s.k * s.cin));

    for (WriteMode mode : {WriteMode::overwrite, WriteMode::accumulate}) {
      const bool adds = mode == WriteMode::accumulate;
      Doubles expected_dx = reference_conv_backward_input(s, dy, w);
      Doubles expected_dw = reference_conv_backward_weight(s, x, dy);
      for (std::size_t i = 0; adds && i < expected_dx.size(); ++i) expected_dx[i] += old_dx[i];
      for (std::size_t i = 0; adds && i < expected_dw.size(); ++i) expected_dw[i] += old_dw[i];
      Floats dx = old_dx, dw = old_dw;
      winograd_backward_input(stream, s, tile, dy.data(), w.data(), mode, dx.data());
      CHECK(relative_error(dx, expected_dx) < tolerance(s, tile, s.k * s.k * s.cout));
      winograd_backward_weight(stream, s, tile, std::array{ConvUse{{x.data(), s.input()}, {dy.data(), s.output()}}}, mode, dw.data());
      CHECK(relative_error(dw, expected_dw) < tolerance(s, tile, s.n * s.h * s.w));
    }
  }
}

TEST_CASE("Winograd convolution does not depend on the number of threads", "[winograd]") {
  const int tile = GENERATE(2, 4);
  const ConvShape s = shape_of(2, 3, 7, 8, 32, 80, PadMode::reflect);
  const Floats x = normal_values(s.input().size(), 1), w = normal_values(s.weight().size(), 2);
  const Floats dy = normal_values(s.output().size(), 3);
  std::vector<Floats> results;
  for (int threads : {1, 3}) {
    ThreadPool pool(threads);
    Stream stream(Device{}, pool);
    Floats y(dy.size()), dx(x.size()), dw(w.size());
    winograd_forward(stream, s, tile, x.data(), w.data(), Epilogue{}, y.data());
    winograd_backward_input(stream, s, tile, dy.data(), w.data(), WriteMode::overwrite, dx.data());
    winograd_backward_weight(stream, s, tile, std::array{ConvUse{{x.data(), s.input()}, {dy.data(), s.output()}}}, WriteMode::overwrite, dw.data());
    results.insert(results.end(), {y, dx, dw});
  }
  for (std::size_t i = 0; i < 3; ++i) CHECK(same_bits(results[i], results[i + 3]));
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
