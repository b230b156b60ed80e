// SPDX-License-Identifier: Apache-2.0
#include "io/axes.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace clade {

namespace {

// Spacings this far apart leave no doubt about which axis is thick.
constexpr double kClearlyLarger = 1.5;
// Spacings come from 32-bit floats: 1.5 times another one may fall short by a rounding.
constexpr double kRounding = 1e-6;
// More samples along one axis than any scanner makes; a header that asks for more is wrong.
constexpr double kMaxSamples = 1 << 20;

constexpr char kAxisNames[] = "ijk";

// |cosine| between the direction of each voxel axis (row) and the normals of the sagittal, coronal and axial plane.
std::array<std::array<double, 3>, 3> cosines(const Affine& affine) {
  std::array<std::array<double, 3>, 3> result{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const double norm = std::hypot(affine[0][axis], affine[1][axis], affine[2][axis]);
    for (std::size_t row = 0; row < 3; ++row) result[axis][row] = std::abs(affine[row][axis]) / norm;
  }
  return result;
}

}  // namespace

const char* plane_name(Plane plane) {
  switch (plane) {
    case Plane::sagittal:
      return "sagittal";
    case Plane::coronal:
      return "coronal";
    case Plane::axial:
      return "axial";
  }
  fail(ErrorCode::internal, "plane ", static_cast<int>(plane));
}

Plane parse_plane(std::string_view name) {
  for (Plane plane : {Plane::sagittal, Plane::coronal, Plane::axial})
    if (name == plane_name(plane)) return plane;
  fail(ErrorCode::usage, "unknown plane '", name, "', expected sagittal, coronal or axial");
}

int parse_axis(std::string_view name) {
  for (int axis = 0; axis < 3; ++axis)
    if (name == std::string_view(kAxisNames + axis, 1)) return axis;
  fail(ErrorCode::usage, "unknown axis '", name, "', expected i, j or k");
}

Plane plane_across(const Geometry& geometry, int axis) {
  // Nearest axis by axis could give one plane to two axes of an oblique volume, so the best of the six pairings wins.
  const auto cosine = cosines(geometry.affine);
  std::array<std::size_t, 3> plane{0, 1, 2};
  std::array<std::size_t, 3> best = plane;
  double best_sum = -1.0;
  do {
    const double sum = cosine[0][plane[0]] + cosine[1][plane[1]] + cosine[2][plane[2]];
    if (sum > best_sum) {
      best_sum = sum;
      best = plane;
    }
  } while (std::next_permutation(plane.begin(), plane.end()));
  return static_cast<Plane>(best[static_cast<std::size_t>(axis)]);
}

int find_slice_axis(const Geometry& geometry, std::optional<int> axis) {
  if (axis) {
    CLADE_CHECK(*axis >= 0 && *axis < 3, ErrorCode::usage, "slice axis ", *axis, ", expected 0, 1 or 2");
    return *axis;
  }
  const auto& spacing = geometry.spacing;
  const auto largest = std::max_element(spacing.begin(), spacing.end());
  double next = 0.0;
  for (auto it = spacing.begin(); it != spacing.end(); ++it)
    if (it != largest) next = std::max(next, *it);
  CLADE_CHECK(*largest >= kClearlyLarger * (1.0 - kRounding) * next, ErrorCode::input, "spacing ", spacing[0], " x ",
              spacing[1], " x ", spacing[2], " mm has no clearly largest axis; choose one with --slice-axis i|j|k");
  return static_cast<int>(largest - spacing.begin());
}

PlaneAxes select_axes(const Geometry& geometry, std::optional<int> slice_axis, std::optional<Plane> plane) {
  PlaneAxes axes;
  axes.slice = find_slice_axis(geometry, slice_axis);
  const int a = (axes.slice + 1) % 3;
  const int b = (axes.slice + 2) % 3;
  const Plane across_a = plane_across(geometry, a);
  const Plane across_b = plane_across(geometry, b);
  // The enumerators stand in order of preference.
  axes.plane = plane.value_or(std::min(across_a, across_b));
  CLADE_CHECK(axes.plane == across_a || axes.plane == across_b, ErrorCode::usage, "the ", plane_name(axes.plane),
              " plane is the high-resolution plane of this volume; choose ", plane_name(across_a), " or ",
              plane_name(across_b));
  axes.normal = axes.plane == across_a ? a : b;
  axes.shared = axes.plane == across_a ? b : a;
  return axes;
}

Geometry isotropic_grid(const Geometry& geometry, const PlaneAxes& axes) {
  const int size = geometry.size[static_cast<std::size_t>(axes.slice)];
  const double old_spacing = geometry.spacing[static_cast<std::size_t>(axes.slice)];
  const double new_spacing = geometry.spacing[static_cast<std::size_t>(axes.shared)];
  const double new_size = std::floor(size * old_spacing / new_spacing + 0.5);
  CLADE_CHECK(new_size > size, ErrorCode::input, "nothing to gain along axis ", kAxisNames[axes.slice],
              ": its spacing ", old_spacing, " mm is already as fine as the ", new_spacing, " mm of axis ",
              kAxisNames[axes.shared]);
  CLADE_CHECK(new_size <= kMaxSamples, ErrorCode::input, "spacing ", old_spacing, " mm over ", new_spacing,
              " mm would need ", new_size, " slices");
  double voxels = new_size / size;
  for (int extent : geometry.size) {
    CLADE_CHECK(extent <= kMaxSamples, ErrorCode::input, "an axis of ", extent, " voxels");
    voxels *= extent;
  }
  CLADE_CHECK(voxels <= kMaxVoxels, ErrorCode::input, "the result would have ", voxels, " voxels");
  return resample_axis(geometry, axes.slice, static_cast<int>(new_size), new_spacing);
}

}  // namespace clade
