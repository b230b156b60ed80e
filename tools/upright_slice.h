// SPDX-License-Identifier: Apache-2.0
// Slices as a reader looks at them: anatomically upright, with square pixels, whatever the grid of the volume.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "io/axes.h"
#include "io/png.h"
#include "tools/sampling.h"

namespace clade {

/// A slice by its place in the world, so that it can be cut out of any volume of the same place.
struct UprightSlice {
  Plane plane = Plane::sagittal;
  std::array<double, 3> origin{};  ///< world position of the upper left corner, mm
  std::array<double, 3> right{};   ///< world direction of 1 mm to the right
  std::array<double, 3> down{};    ///< world direction of 1 mm down
  double width = 0;                ///< mm
  double height = 0;               ///< mm
  // Magnified part, mm from the upper left corner.
  double inset_x = 0;
  double inset_y = 0;
  double inset_width = 0;
  double inset_height = 0;
};

/// The slice `index` across the voxel axis `across`. Up is superior where the plane has it, else anterior; left is the
/// patient's right, or anterior where the plane has no left and right.
UprightSlice upright_slice(const Geometry& geometry, int across, int index);

/// Number of voxels above `threshold` in each slice across `axis`.
std::vector<std::int64_t> foreground_of_slices(const Volume& volume, int axis, double threshold);

/// Of a grey window, as a share of it: what is darker is air.
inline constexpr double kForegroundLevel = 0.075;

/// A rectangle of a slice in intensities, row by row.
struct SampledSlice {
  int width = 0;
  int height = 0;
  std::vector<double> values;
};

/// [x, x + width) by [y, y + height) mm of the slice at `scale` pixels per mm, `subsamples` squared values a pixel.
SampledSlice sample_slice(const WorldSampler& volume, const UprightSlice& slice, double x, double y, double width,
                          double height, double scale, int subsamples, double outside);

/// Puts the inset, a `magnification`th of the width and half as high, where the slice has most detail along the slice
/// axis of the volume, whose world direction is `slice_axis`. `low` and `high` are the grey window.
void place_inset(UprightSlice& slice, const WorldSampler& volume, const Vector3& slice_axis, double low, double high,
                 int magnification);

/// [low, high] on the grey scale; the rest is clipped.
GreyImage to_grey(const SampledSlice& sampled, double low, double high);

}  // namespace clade
