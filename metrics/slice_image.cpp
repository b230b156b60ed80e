// SPDX-License-Identifier: Apache-2.0
#include "metrics/slice_image.h"

#include <utility>

namespace clade {

SliceCutter::SliceCutter(const Geometry& geometry, Plane plane) {
  while (plane_across(geometry, axis_) != plane) ++axis_;
  int row_axis = (axis_ + 1) % 3;
  int column_axis = (axis_ + 2) % 3;
  // The enumerators stand in the order left-right, anterior-posterior, superior-inferior of their normals.
  if (plane_across(geometry, row_axis) < plane_across(geometry, column_axis)) std::swap(row_axis, column_axis);

  count_ = geometry.size[static_cast<std::size_t>(axis_)];
  slice_step_ = geometry.stride(axis_);
  const auto run = [&](int axis, int& size, std::int64_t& step) {
    const auto a = static_cast<std::size_t>(axis);
    size = geometry.size[a];
    step = geometry.stride(axis);
    // World coordinates grow to the right, anterior and superior, where rows and columns begin.
    if (geometry.affine[static_cast<std::size_t>(plane_across(geometry, axis))][a] > 0) {
      origin_ += (size - 1) * step;
      step = -step;
    }
  };
  run(row_axis, rows_, row_step_);
  run(column_axis, columns_, column_step_);
}

SliceImage SliceCutter::cut(const std::vector<float>& voxels, int index) const {
  SliceImage image{rows_, columns_, {}};
  image.pixels.reserve(static_cast<std::size_t>(rows_) * static_cast<std::size_t>(columns_));
  for (int row = 0; row < rows_; ++row)
    for (int column = 0; column < columns_; ++column)
      image.pixels.push_back(
          voxels[static_cast<std::size_t>(origin_ + index * slice_step_ + row * row_step_ + column * column_step_)]);
  return image;
}

}  // namespace clade
