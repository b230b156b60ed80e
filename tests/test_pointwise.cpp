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

// One element, a tail, and more than one chunk of a flat loop.
const std::vector<std::int64_t> kSizes = {1, 13, 40001};

}  // namespace

TEST_CASE("Activation gradient is read off the output", "[pointwise]") {
  ThreadPool pool(2);
  Stream stream(Device{}, pool);
  const auto activation = GENERATE(Activation::none, Activation::relu, Activation::leaky_relu, Activation::tanh);
  for (const std::int64_t size : kSizes) {
    const Floats z = normal_values(size, 1), dy = normal_values(size, 2);
    Floats y(z.size()), dz(z.size(), 5.0f);
    Doubles expected(z.size());
    for (std::size_t i = 0; i < z.size(); ++i) {
      y[i] = static_cast<float>(reference_activation(activation, z[i]));
      expected[i] = dy[i] * reference_activation_slope(activation, z[i]);
    }
    cpu::activation_backward(stream, activation, view(std::as_const(y), {size}), view(dy, {size}), view(dz, {size}));
    // y is rounded before it is squared, which costs up to epsilon of 1 where the slope of tanh is small.
    CHECK(relative_error(dz, expected) < 16.0 * kEpsilon);

    Floats in_place = dy;
    cpu::activation_backward(stream, activation, view(std::as_const(y), {size}), view(std::as_const(in_place), {size}),
                             view(in_place, {size}));
    CHECK(same_bits(in_place, dz));
  }
}

TEST_CASE("Sum, fill and scale", "[pointwise]") {
  ThreadPool pool(2);
  Stream stream(Device{}, pool);
  for (const std::int64_t size : kSizes) {
    const Floats a = integer_values(size, 1), b = integer_values(size, 2);
    Floats sum(a.size(), 9.0f), expected(a.size());
    for (std::size_t i = 0; i < a.size(); ++i) expected[i] = a[i] + b[i];
    cpu::add(stream, view(a, {size}), view(b, {size}), view(sum, {size}));
    CHECK(same_bits(sum, expected));

    for (std::size_t i = 0; i < a.size(); ++i) expected[i] = 0.5f * a[i];
    cpu::scale_into(stream, 0.5f, view(a, {size}), WriteMode::overwrite, view(sum, {size}));
    CHECK(same_bits(sum, expected));
    for (std::size_t i = 0; i < a.size(); ++i) expected[i] += 0.5f * a[i];
    cpu::scale_into(stream, 0.5f, view(a, {size}), WriteMode::accumulate, view(sum, {size}));
    CHECK(same_bits(sum, expected));

    cpu::fill(stream, 2.5f, view(sum, {size}));
    CHECK(same_bits(sum, Floats(sum.size(), 2.5f)));
  }
}
