// SPDX-License-Identifier: Apache-2.0
// Whether two volumes stand on grids that can be compared voxel by voxel.
#pragma once

#include "io/volume.h"

namespace clade {

/// Throws Error(input) naming the difference unless both grids have the same size and every corner the same place in
/// the world, within a tenth of the finest spacing.
void check_same_grid(const Geometry& geometry, const Geometry& expected);

/// The slice axis along which `acquisition` has fewer, thicker slices than `result`.
/// Throws Error(input) unless `result` is the acquisition's grid resampled along just one axis around the same centre.
int find_resampled_axis(const Geometry& result, const Geometry& acquisition);

}  // namespace clade
