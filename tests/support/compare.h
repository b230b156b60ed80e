// SPDX-License-Identifier: Apache-2.0
// Norms, inner products and views of test data, accumulated in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "core/shape.h"

namespace clade::test {

inline constexpr double kEpsilon = std::numeric_limits<float>::epsilon();

inline View<float> view(std::vector<float>& values, const Shape& shape) {
  CLADE_CHECK(shape.size() == static_cast<std::int64_t>(values.size()), ErrorCode::internal, "test data does not fit ",
              shape);
  return {values.data(), shape};
}
inline View<const float> view(const std::vector<float>& values, const Shape& shape) {
  CLADE_CHECK(shape.size() == static_cast<std::int64_t>(values.size()), ErrorCode::internal, "test data does not fit ",
              shape);
  return {values.data(), shape};
}

template <class A, class B>
double inner_product(const A& a, const B& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

template <class A>
double norm(const A& a) {
  return std::sqrt(inner_product(a, a));
}

/// Whether the values are the same to the last bit, up to the sign of zero (a bool: a failure prints no arrays).
inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) { return a == b; }

/// Largest difference over the root mean square of the reference. Infinite if a value is not finite or a size differs.
template <class A, class B>
double relative_error(const A& actual, const B& reference) {
  if (actual.size() != reference.size() || actual.empty()) return std::numeric_limits<double>::infinity();
  double largest = 0.0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double difference = std::abs(static_cast<double>(actual[i]) - static_cast<double>(reference[i]));
    if (!std::isfinite(difference)) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, difference);
  }
  const double scale = norm(reference) / std::sqrt(static_cast<double>(reference.size()));
  return scale > 0.0 ? largest / scale : (largest > 0.0 ? std::numeric_limits<double>::infinity() : 0.0);
}

/// Norm of the difference over the norm of the reference. Infinite if a size differs.
template <class A, class B>
double relative_distance(const A& actual, const B& reference) {
  if (actual.size() != reference.size() || actual.empty()) return std::numeric_limits<double>::infinity();
  double squares = 0.0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double difference = static_cast<double>(actual[i]) - static_cast<double>(reference[i]);
    squares += difference * difference;
  }
  return std::sqrt(squares) / norm(reference);
}

/// What a float sum of `terms` random products may be off by, relative to its typical value. Partial sums grow like
/// sqrt(j) and each rounds by at most epsilon / 2 of itself, at random; 4 covers the largest of many values.
inline double sum_tolerance(std::int64_t terms) { return 4.0 * kEpsilon * std::sqrt(static_cast<double>(terms) + 4.0); }

}  // namespace clade::test
