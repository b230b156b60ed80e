// SPDX-License-Identifier: Apache-2.0
// Where a volume has edges, axis by axis: a probability of positions that patches are drawn from.
#pragma once

#include <array>
#include <vector>

#include "core/parallel.h"
#include "io/volume.h"

namespace clade {

/// For each axis the cumulative sums, over its positions, of sqrt|d/di| + sqrt|d/dj| + sqrt|d/dk| of the volume
/// smoothed with a Gaussian of 2 voxels: the gradient sampling of ECLARE, the successor of SMORE. Central differences,
/// half-sample symmetric border.
std::array<std::vector<double>, 3> cumulative_edges(const Volume& volume, ThreadPool& pool);

/// The position at which the cumulative sums pass `share` (0 to 1) of their total.
int position_at(const std::vector<double>& cumulative, double share);

}  // namespace clade
