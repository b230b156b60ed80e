// SPDX-License-Identifier: Apache-2.0
// Regions of interest: boxes and the labels of a mask volume.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "io/volume.h"

namespace clade {

/// Voxels of a region as positions in Volume::voxels, ascending.
using Region = std::vector<std::int64_t>;

/// Voxel indices [first, end) along i, j, k.
struct Box {
  std::array<int, 3> first{}, end{};

  /// "i0:i1,j0:j1,k0:k1". Throws Error(usage) for anything else, or for an empty box.
  static Box parse(std::string_view text);
};

/// Throws Error(usage) when the box reaches beyond the volume.
Region box_region(const Geometry& geometry, const Box& box);

/// Voxels of a mask with this label (rounded to whole numbers). Throws Error(input) when there are none.
Region label_region(const Volume& mask, int label);
/// Voxels of a mask that are not 0. Throws Error(input) when there are none.
Region mask_region(const Volume& mask);

/// Calls body(position) for every voxel of a region; an empty region stands for the whole volume here, so that volumes
/// without a mask need no list of all their voxels.
template <class Body>
void for_each_voxel(const Geometry& geometry, const Region& region, const Body& body) {
  if (region.empty()) {
    for (std::int64_t voxel = 0; voxel < geometry.voxel_count(); ++voxel) body(voxel);
  } else {
    for (std::int64_t voxel : region) body(voxel);
  }
}

}  // namespace clade
