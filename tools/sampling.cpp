// SPDX-License-Identifier: Apache-2.0
#include "tools/sampling.h"

#include <algorithm>
#include <cmath>

namespace clade {

namespace {

// Inverse of an affine map by the adjugate of its 3 x 3 part.
Affine invert(const Affine& m) {
  const auto minor = [&](std::size_t row, std::size_t column) {
    const std::size_t r0 = (row + 1) % 3, r1 = (row + 2) % 3, c0 = (column + 1) % 3, c1 = (column + 2) % 3;
    return m[r0][c0] * m[r1][c1] - m[r0][c1] * m[r1][c0];
  };
  const double determinant = m[0][0] * minor(0, 0) + m[0][1] * minor(0, 1) + m[0][2] * minor(0, 2);
  CLADE_CHECK(std::isnormal(determinant), ErrorCode::input, "the affine has no inverse");
  Affine inverse{};
  for (std::size_t row = 0; row < 3; ++row) {
    for (std::size_t column = 0; column < 3; ++column) inverse[row][column] = minor(column, row) / determinant;
    inverse[row][3] = -(inverse[row][0] * m[0][3] + inverse[row][1] * m[1][3] + inverse[row][2] * m[2][3]);
  }
  return inverse;
}

}  // namespace

WorldSampler::WorldSampler(const Volume& volume) : volume_(volume), inverse_(invert(volume.geometry.affine)) {}

double WorldSampler::operator()(const Vector3& world, double outside) const {
  const Geometry& geometry = volume_.geometry;
  std::int64_t base[3];
  double fraction[3];
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const auto& row = inverse_[axis];
    const double index = row[0] * world[0] + row[1] * world[1] + row[2] * world[2] + row[3];
    const double last = geometry.size[axis] - 1;
    // A voxel reaches half its size beyond its centre.
    if (index < -0.5 || index > last + 0.5) return outside;
    const double inside = std::clamp(index, 0.0, last);
    base[axis] = std::min(static_cast<std::int64_t>(inside), std::max<std::int64_t>(geometry.size[axis] - 2, 0));
    fraction[axis] = inside - static_cast<double>(base[axis]);
  }
  double sum = 0;
  for (int corner = 0; corner < 8; ++corner) {
    double weight = 1;
    std::int64_t position = 0;
    for (int axis = 0; axis < 3; ++axis) {
      const int upper = corner >> axis & 1;
      weight *= upper ? fraction[axis] : 1 - fraction[axis];
      position += (base[axis] + upper) * geometry.stride(axis);
    }
    // Also keeps an axis of one voxel from reading beyond its end.
    if (weight > 0) sum += weight * static_cast<double>(volume_.voxels[static_cast<std::size_t>(position)]);
  }
  return sum;
}

}  // namespace clade
