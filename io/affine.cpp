// SPDX-License-Identifier: Apache-2.0
#include "io/affine.h"

#include <cmath>

#include "core/error.h"

namespace clade {

namespace {
// A determinant below this share of the product of the column lengths: the axes lie in a plane.
constexpr double kSingular = 1e-6;
}  // namespace

Affine scaling(const std::array<double, 3>& spacing) {
  Affine affine{};
  for (std::size_t axis = 0; axis < 3; ++axis) affine[axis][axis] = spacing[axis];
  return affine;
}

double column_length(const Affine& affine, std::size_t axis) {
  return std::hypot(affine[0][axis], affine[1][axis], affine[2][axis]);
}

double axis_cosine(const Affine& a, std::size_t first, std::size_t second) {
  const double product = a[0][first] * a[0][second] + a[1][first] * a[1][second] + a[2][first] * a[2][second];
  return product / (column_length(a, first) * column_length(a, second));
}

void check_affine(const Affine& a, const char* name) {
  for (const auto& row : a)
    for (double element : row) CLADE_CHECK(std::abs(element) <= kFarthest, ErrorCode::input, name, " holds ", element);
  const double determinant = a[0][0] * (a[1][1] * a[2][2] - a[1][2] * a[2][1]) -
                             a[0][1] * (a[1][0] * a[2][2] - a[1][2] * a[2][0]) +
                             a[0][2] * (a[1][0] * a[2][1] - a[1][1] * a[2][0]);
  const double volume = column_length(a, 0) * column_length(a, 1) * column_length(a, 2);
  CLADE_CHECK(std::abs(determinant) > kSingular * volume, ErrorCode::input, name, " is singular");
}

}  // namespace clade
