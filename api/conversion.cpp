// SPDX-License-Identifier: Apache-2.0
#include "api/conversion.h"

#include <algorithm>
#include <cmath>

#include "io/affine.h"

namespace clade::api {

namespace {

void check_lengths(const Affine& a, const std::array<double, 3>& spacing, const char* name) {
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const double length = column_length(a, axis);
    CLADE_CHECK(std::abs(length - spacing[axis]) <= kSpacingTolerance * spacing[axis], ErrorCode::input, "spacing ",
                spacing[axis], " mm of axis ", "ijk"[axis], " is ", length, " mm by the ", name);
  }
}

void check_form(const Affine& a, const std::array<double, 3>& spacing, const char* name) {
  check_affine(a, name);
  check_lengths(a, spacing, name);
}

// Files hold a qform as a rotation: it cannot be slanted.
void check_right_angles(const Affine& a) {
  for (std::size_t first = 0; first < 3; ++first)
    for (std::size_t second = first + 1; second < 3; ++second)
      CLADE_CHECK(std::abs(axis_cosine(a, first, second)) <= kSlanted, ErrorCode::input,
                  "the axes of the qform are not at right angles; a slanted volume needs an sform");
}

}  // namespace

clade::Geometry to_internal(const Geometry& geometry) {
  clade::Geometry result;
  double voxels = 1.0;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const int size = geometry.size[axis];
    const double spacing = geometry.spacing[axis];
    CLADE_CHECK(size >= 1, ErrorCode::input, "size of axis ", "ijk"[axis], " is ", size);
    CLADE_CHECK(spacing >= kFinestSpacing && spacing <= kCoarsestSpacing, ErrorCode::input, "spacing of axis ",
                "ijk"[axis], " is ", spacing, " mm");
    voxels *= size;
  }
  CLADE_CHECK(voxels <= kMaxVoxels, ErrorCode::input, "a volume of ", voxels, " voxels");
  result.size = geometry.size;
  result.spacing = geometry.spacing;
  const Affine upright = scaling(geometry.spacing);
  result.affine = geometry.affine == Affine{} ? upright : geometry.affine;
  check_form(result.affine, result.spacing, "affine");
  result.sform_code = std::max(geometry.sform_code, 0);
  result.qform_code = std::max(geometry.qform_code, 0);
  // 1: coordinates of the scanner, the most that is known here.
  if (result.sform_code == 0 && result.qform_code == 0 && result.affine != upright) result.sform_code = 1;
  if (result.sform_code > 0) result.sform = result.affine;
  if (result.qform_code > 0) {
    result.qform = result.sform_code > 0 ? geometry.qform : result.affine;
    check_form(result.qform, result.spacing, "qform");
    check_right_angles(result.qform);
  }
  return result;
}

clade::Volume to_internal(Volume&& volume) {
  clade::Volume result;
  result.geometry = to_internal(volume.geometry);
  CLADE_CHECK(volume.voxels.size() == volume.geometry.voxel_count(), ErrorCode::input, "the volume has ",
              volume.voxels.size(), " voxels, its size says ", volume.geometry.voxel_count());
  const auto odd =
      std::find_if_not(volume.voxels.begin(), volume.voxels.end(), [](float v) { return std::isfinite(v); });
  CLADE_CHECK(odd == volume.voxels.end(), ErrorCode::input, "voxel ", odd - volume.voxels.begin(), " is not finite");
  result.voxels = std::move(volume.voxels);
  return result;
}

Geometry to_public(const clade::Geometry& geometry) {
  Geometry result;
  result.size = geometry.size;
  result.spacing = geometry.spacing;
  result.affine = geometry.affine;
  result.sform_code = geometry.sform_code;
  result.qform_code = geometry.qform_code;
  result.qform = geometry.qform;
  return result;
}

Volume to_public(clade::Volume&& volume) { return {to_public(volume.geometry), std::move(volume.voxels)}; }

clade::Log to_internal(const LogCallback& callback) {
  if (!callback) return {};
  static_assert(static_cast<int>(LogLevel::error) == static_cast<int>(clade::LogLevel::error) &&
                static_cast<int>(LogLevel::debug) == static_cast<int>(clade::LogLevel::debug));
  return clade::Log(
      [callback](clade::LogLevel level, std::string_view message) { callback(static_cast<LogLevel>(level), message); });
}

}  // namespace clade::api
