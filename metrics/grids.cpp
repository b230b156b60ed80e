// SPDX-License-Identifier: Apache-2.0
#include "metrics/grids.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/error.h"

namespace clade {

namespace {

std::string size_text(const Geometry& geometry) {
  return str(geometry.size[0], " x ", geometry.size[1], " x ", geometry.size[2], " voxels");
}

// Largest distance between the places of a corner, mm.
double corner_distance(const Geometry& a, const Geometry& b) {
  double largest = 0.0;
  for (int corner = 0; corner < 8; ++corner) {
    std::array<double, 3> index{};
    for (std::size_t axis = 0; axis < 3; ++axis) index[axis] = corner >> axis & 1 ? a.size[axis] - 1 : 0;
    const auto p = a.world(index), q = b.world(index);
    largest = std::max(largest, std::hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]));
  }
  return largest;
}

}  // namespace

void check_same_grid(const Geometry& geometry, const Geometry& expected) {
  CLADE_CHECK(geometry.size == expected.size, ErrorCode::input, "a grid of ", size_text(geometry), ", expected ",
              size_text(expected));
  const double tolerance = 0.1 * *std::min_element(expected.spacing.begin(), expected.spacing.end());
  const double distance = corner_distance(geometry, expected);
  CLADE_CHECK(distance <= tolerance, ErrorCode::input, "the grid lies up to ", distance,
              " mm from where it is expected; differences would measure that");
}

int find_resampled_axis(const Geometry& result, const Geometry& acquisition) {
  int axis = -1, changed = 0;
  for (int a = 0; a < 3; ++a)
    if (result.size[static_cast<std::size_t>(a)] != acquisition.size[static_cast<std::size_t>(a)]) {
      axis = a;
      ++changed;
    }
  CLADE_CHECK(
      changed == 1 && result.size[static_cast<std::size_t>(axis)] > acquisition.size[static_cast<std::size_t>(axis)],
      ErrorCode::input, "a result of ", size_text(result), " does not come from an acquisition of ",
      size_text(acquisition), ": just one axis should have more voxels");
  const auto a = static_cast<std::size_t>(axis);
  with_context("against the grid of the acquisition",
               [&] { check_same_grid(result, resample_axis(acquisition, axis, result.size[a], result.spacing[a])); });
  return axis;
}

}  // namespace clade
