// SPDX-License-Identifier: Apache-2.0
#include "api/conversion.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace clade::api {

namespace {

// Spacing and the lengths of the affine's columns may differ by this share.
constexpr double kSpacingTolerance = 0.01;
// A determinant below this share of the product of the column lengths: the axes lie in a plane.
constexpr double kSingular = 1e-6;
// Cosine of the angle between two axes from which on they are called slanted.
constexpr double kSlanted = 0.01;
// More voxels than any memory holds; products below it fit all integers in use.
constexpr double kMaxVoxels = 1e15;

double column_length(const Affine& a, std::size_t axis) { return std::hypot(a[0][axis], a[1][axis], a[2][axis]); }

double determinant(const Affine& a) {
  return a[0][0] * (a[1][1] * a[2][2] - a[1][2] * a[2][1]) - a[0][1] * (a[1][0] * a[2][2] - a[1][2] * a[2][0]) +
         a[0][2] * (a[1][0] * a[2][1] - a[1][1] * a[2][0]);
}

void check_affine(const Affine& a, const std::array<double, 3>& spacing, const char* name) {
  for (const auto& row : a)
    for (double element : row) CLADE_CHECK(std::abs(element) <= kFarthest, ErrorCode::input, name, " holds ", element);
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const double length = column_length(a, axis);
    CLADE_CHECK(std::abs(length - spacing[axis]) <= kSpacingTolerance * spacing[axis], ErrorCode::input, "spacing ",
                spacing[axis], " mm of axis ", "ijk"[axis], " is ", length, " mm by the ", name);
  }
  CLADE_CHECK(std::abs(determinant(a)) > kSingular * spacing[0] * spacing[1] * spacing[2], ErrorCode::input, name,
              " is singular");
}

// Files hold a qform as a rotation: it cannot be slanted.
void check_right_angles(const Affine& a) {
  for (std::size_t first = 0; first < 3; ++first)
    for (std::size_t second = first + 1; second < 3; ++second) {
      const double product = a[0][first] * a[0][second] + a[1][first] * a[1][second] + a[2][first] * a[2][second];
      CLADE_CHECK(std::abs(product) <= kSlanted * column_length(a, first) * column_length(a, second), ErrorCode::input,
                  "the axes of the qform are not at right angles; a slanted volume needs an sform");
    }
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
  Affine scaling{};
  for (std::size_t axis = 0; axis < 3; ++axis) scaling[axis][axis] = geometry.spacing[axis];
  result.affine = geometry.affine == Affine{} ? scaling : geometry.affine;
  check_affine(result.affine, result.spacing, "affine");
  result.sform_code = std::max(geometry.sform_code, 0);
  result.qform_code = std::max(geometry.qform_code, 0);
  // 1: coordinates of the scanner, the most that is known here.
  if (result.sform_code == 0 && result.qform_code == 0 && result.affine != scaling) result.sform_code = 1;
  if (result.sform_code > 0) result.sform = result.affine;
  if (result.qform_code > 0) {
    result.qform = result.sform_code > 0 ? geometry.qform : result.affine;
    check_affine(result.qform, result.spacing, "qform");
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

clade::Device parse_device(const std::string& name) {
  if (name == "cpu" || (name == "auto" && cuda_device_count() == 0)) return {};
  if (name == "auto" || name == "cuda") return {DeviceType::cuda, 0};
  const std::string prefix = "cuda:";
  int ordinal = -1;
  if (name.starts_with(prefix)) {
    const char* end = name.data() + name.size();
    const auto [stop, error] = std::from_chars(name.data() + prefix.size(), end, ordinal);
    if (error != std::errc{} || stop != end) ordinal = -1;
  }
  CLADE_CHECK(ordinal >= 0, ErrorCode::usage, "device '", name, "' is not auto, cpu, cuda or cuda:N");
  return {DeviceType::cuda, ordinal};
}

}  // namespace clade::api
