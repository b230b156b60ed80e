// SPDX-License-Identifier: Apache-2.0
#include "io/volume.h"

namespace clade {

std::array<double, 3> Geometry::world(const std::array<double, 3>& index) const {
  std::array<double, 3> position{};
  for (std::size_t row = 0; row < 3; ++row)
    position[row] = affine[row][0] * index[0] + affine[row][1] * index[1] + affine[row][2] * index[2] + affine[row][3];
  return position;
}

Volume volume_like(const Volume& volume, const Geometry& grid) {
  Volume result;
  result.geometry = grid;
  result.stored_type = volume.stored_type;
  result.slope = volume.slope;
  result.intercept = volume.intercept;
  result.description = volume.description;
  result.nifti_version = volume.nifti_version;
  return result;
}

Geometry resample_axis(const Geometry& geometry, int axis, int new_size, double new_spacing) {
  const auto a = static_cast<std::size_t>(axis);
  const double s = new_spacing / geometry.spacing[a];
  // Old index of the new sample 0.
  const double first = 0.5 * s - 0.5 + 0.5 * (geometry.size[a] - s * new_size);

  Geometry result = geometry;
  result.size[a] = new_size;
  result.spacing[a] = new_spacing;
  for (Affine* matrix : {&result.affine, &result.qform, &result.sform})
    for (auto& row : *matrix) {
      row[3] += row[a] * first;
      row[a] *= s;
    }
  return result;
}

}  // namespace clade
