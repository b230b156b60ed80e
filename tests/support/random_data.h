// SPDX-License-Identifier: Apache-2.0
// Reproducible test data.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace clade::test {

inline std::vector<float> normal_values(std::int64_t size, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(size));
  for (float& value : values) value = normal(generator);
  return values;
}

/// Small whole numbers: float sums of their products are exact, whatever the order.
inline std::vector<float> integer_values(std::int64_t size, unsigned seed) {
  std::mt19937 generator(seed);
  std::uniform_int_distribution<int> digit(-4, 4);
  std::vector<float> values(static_cast<std::size_t>(size));
  for (float& value : values) value = static_cast<float>(digit(generator));
  return values;
}

}  // namespace clade::test
