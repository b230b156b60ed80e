// SPDX-License-Identifier: Apache-2.0
#include "tests/support/backend.h"
#include "tests/support/compare.h"
#include "tests/support/random_data.h"
#include "tests/support/reference.h"

using namespace clade;
using namespace clade::kernels;
using namespace clade::test;

namespace {

// One element, a tail, more than one chunk of a flat loop, and more than one value per thread of a GPU; from an aligned
// address and from one value further.
struct Extent {
  std::int64_t size;
  int shift;
};
const std::vector<Extent> kExtents = {{1, 0}, {13, 0}, {13, 1}, {40001, 0}, {4096, 1}, {300001, 0}};

}  // namespace

TEST_CASE("Sum, fill and scale", "[pointwise]") {
  ON_EVERY_DEVICE(stream);
  for (const auto& [size, shift] : kExtents) {
    INFO(size << " values, shifted by " << shift);
    const Floats a = integer_values(size, 1), b = integer_values(size, 2);
    Floats expected(a.size());
    for (std::size_t i = 0; i < a.size(); ++i) expected[i] = a[i] + b[i];
    const DeviceArray device_a(stream, {size}, a, shift), device_b(stream, {size}, b, shift);
    DeviceArray<float> result(stream, {size}, shift);
    CLADE_KERNEL(add)(stream, device_a, device_b, result);
    CHECK(same_bits(result.values(), expected));

    for (std::size_t i = 0; i < a.size(); ++i) expected[i] = 0.5f * a[i];
    CLADE_KERNEL(scale_into)(stream, 0.5f, device_a, WriteMode::overwrite, result);
    CHECK(same_bits(result.values(), expected));
    for (std::size_t i = 0; i < a.size(); ++i) expected[i] += 0.5f * a[i];
    CLADE_KERNEL(scale_into)(stream, 0.5f, device_a, WriteMode::accumulate, result);
    CHECK(same_bits(result.values(), expected));

    CLADE_KERNEL(fill)(stream, 2.5f, result);
    CHECK(same_bits(result.values(), Floats(a.size(), 2.5f)));
  }
}
