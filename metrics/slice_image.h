// SPDX-License-Identifier: Apache-2.0
// Slices of a volume as pictures that do not depend on how the volume is stored.
#pragma once

#include <vector>

#include "io/axes.h"
#include "io/volume.h"

namespace clade {

/// A picture with real values, row by row.
struct SliceImage {
  int rows = 0;
  int columns = 0;
  std::vector<float> pixels;  ///< [rows, columns]
};

/// Cuts the slices of one anatomical plane. Rows run from superior (anterior in the axial plane) to the opposite,
/// columns from anterior (sagittal plane) or from the patient's right: the same picture for every storage order.
class SliceCutter {
 public:
  SliceCutter(const Geometry& geometry, Plane plane);

  int count() const { return count_; }
  /// Voxel axis that the slices follow one another along.
  int axis() const { return axis_; }
  /// Slice `index` in storage order. `voxels` are those of a volume with the geometry given above.
  SliceImage cut(const std::vector<float>& voxels, int index) const;

 private:
  int axis_ = 0;
  int count_ = 0, rows_ = 0, columns_ = 0;
  // In voxels of the array: where (row 0, column 0) of slice 0 lies, and the steps from there.
  std::int64_t origin_ = 0, slice_step_ = 0, row_step_ = 0, column_step_ = 0;
};

}  // namespace clade
