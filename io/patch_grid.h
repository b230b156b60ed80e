// SPDX-License-Identifier: Apache-2.0
// Where patches sit on a slice: pure geometry.
#pragma once

#include <cstdint>
#include <vector>

namespace clade {

/// Offsets 0, stride, 2 stride, ... and one flush tile at extent - patch. `extent` >= patch.
std::vector<std::int32_t> tile_offsets(int extent, int patch, int stride);

/// Tiling of a height x width slice. Slices smaller than a patch are reflect-padded at the end (repeatedly if needed)
/// to `padded_*` and cropped afterwards. Throws Error(usage) unless 1 <= stride <= patch.
struct PatchGrid {
  PatchGrid(int height, int width, int patch, int stride);

  int height, width;
  int padded_height, padded_width;
  int patch;
  std::vector<std::int32_t> rows, columns;

  std::int64_t count() const { return static_cast<std::int64_t>(rows.size() * columns.size()); }
  /// Source pixel of a padded pixel along an axis.
  static int reflected(int index, int extent);
};

}  // namespace clade
