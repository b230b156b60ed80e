// SPDX-License-Identifier: Apache-2.0
// Small volumes to test with.
#pragma once

#include <array>
#include <cmath>

#include "core/philox.h"
#include "io/volume.h"

namespace clade::test {

/// A grid along the world axes with equal qform and sform and an origin that is not 0.
inline Geometry make_geometry(const std::array<int, 3>& size, const std::array<double, 3>& spacing) {
  Geometry geometry;
  geometry.size = size;
  geometry.spacing = spacing;
  geometry.affine = {{{spacing[0], 0, 0, -20}, {0, spacing[1], 0, 12.5}, {0, 0, spacing[2], 7}}};
  geometry.qform = geometry.sform = geometry.affine;
  geometry.qform_code = geometry.sform_code = 1;
  return geometry;
}

/// Independent voxels, uniform in [low, high).
inline Volume random_volume(const Geometry& geometry, double low = 0.0, double high = 1000.0) {
  Volume volume;
  volume.geometry = geometry;
  volume.voxels.resize(static_cast<std::size_t>(geometry.voxel_count()));
  RandomSequence random(17, RandomUse::test, 0);
  for (float& voxel : volume.voxels) voxel = static_cast<float>(low + (high - low) * random.next_uniform());
  return volume;
}

inline std::array<double, 3> centre_of_view(const Geometry& geometry) {
  return geometry.world({0.5 * (geometry.size[0] - 1), 0.5 * (geometry.size[1] - 1), 0.5 * (geometry.size[2] - 1)});
}

inline double distance(const std::array<double, 3>& a, const std::array<double, 3>& b) {
  return std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

}  // namespace clade::test
