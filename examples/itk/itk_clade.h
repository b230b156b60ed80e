// SPDX-License-Identifier: Apache-2.0
// Super-resolution of itk::Image in memory.
#pragma once

#include <itkImage.h>

#include <algorithm>
#include <clade/clade.hpp>
#include <utility>

namespace itk_clade {

using Image = itk::Image<float, 3>;

// ITK's world is LPS (x to the left, y to the back), CLADE's is RAS.
inline double sign(std::size_t row) { return row < 2 ? -1.0 : 1.0; }

inline clade::api::Geometry geometry_of(const Image& image) {
  const Image::RegionType region = image.GetBufferedRegion();
  Image::PointType first;
  image.TransformIndexToPhysicalPoint(region.GetIndex(), first);
  clade::api::Geometry geometry;
  for (unsigned int axis = 0; axis < 3; ++axis) {
    geometry.size[axis] = static_cast<int>(region.GetSize(axis));
    geometry.spacing[axis] = image.GetSpacing()[axis];
  }
  for (unsigned int row = 0; row < 3; ++row) {
    for (unsigned int axis = 0; axis < 3; ++axis)
      geometry.affine[row][axis] = sign(row) * image.GetDirection()(row, axis) * image.GetSpacing()[axis];
    geometry.affine[row][3] = sign(row) * first[row];
  }
  return geometry;
}

/// The image with its slice axis resampled by the model. Throws clade::api::Error.
inline Image::Pointer super_resolve(const Image& image, clade::api::Model& model,
                                    const clade::api::Options& options = {}) {
  clade::api::Volume volume;
  volume.geometry = geometry_of(image);
  const float* voxels = image.GetBufferPointer();
  volume.voxels.assign(voxels, voxels + volume.geometry.voxel_count());
  const clade::api::Volume made = model.super_resolve(std::move(volume), options);

  Image::SizeType size;
  Image::SpacingType spacing;
  Image::PointType origin;
  Image::DirectionType direction;
  for (unsigned int axis = 0; axis < 3; ++axis) {
    size[axis] = static_cast<itk::SizeValueType>(made.geometry.size[axis]);
    spacing[axis] = made.geometry.spacing[axis];
  }
  for (unsigned int row = 0; row < 3; ++row) {
    for (unsigned int axis = 0; axis < 3; ++axis)
      direction(row, axis) = sign(row) * made.geometry.affine[row][axis] / made.geometry.spacing[axis];
    origin[row] = sign(row) * made.geometry.affine[row][3];
  }
  Image::Pointer result = Image::New();
  result->SetRegions(size);
  result->SetSpacing(spacing);
  result->SetOrigin(origin);
  result->SetDirection(direction);
  result->Allocate();
  std::copy(made.voxels.begin(), made.voxels.end(), result->GetBufferPointer());
  return result;
}

}  // namespace itk_clade
