// SPDX-License-Identifier: Apache-2.0
// A scalar volume with its place in the world.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/shape.h"

namespace clade {

/// Rows of the 3 x 4 matrix that takes voxel indices (i, j, k, 1) to world millimetres.
/// RAS+: x right, y anterior, z up.
using Affine = std::array<std::array<double, 4>, 3>;

/// Limits in mm of spacings and of affines: they hold from electron microscopes to whole bodies, and keep all
/// arithmetic within floats.
inline constexpr double kFinestSpacing = 1e-6, kCoarsestSpacing = 1e6, kFarthest = 1e9;

/// More voxels than any memory holds; sizes in bytes and positions of tiles below it fit their integers.
inline constexpr double kMaxVoxels = 1e15;

/// Voxel types a file can hold.
enum class VoxelType { int8, uint8, int16, uint16, int32, uint32, int64, uint64, float32, float64 };

/// Everything of a NIfTI header that a resampled copy keeps. Lengths in millimetres.
struct Geometry {
  std::array<int, 3> size{};        ///< voxels along i, j, k
  std::array<double, 3> spacing{};  ///< mm
  Affine affine{};                  ///< sform if its code is set, else qform, else scaling by `spacing`
  int qform_code = 0;
  int sform_code = 0;
  Affine qform{};  ///< meaningful when qform_code > 0
  Affine sform{};  ///< meaningful when sform_code > 0

  std::int64_t voxel_count() const { return std::int64_t{size[0]} * size[1] * size[2]; }
  /// Distance in memory between neighbours along an axis: i is the fastest.
  std::int64_t stride(int axis) const {
    return axis == 0 ? 1 : axis == 1 ? std::int64_t{size[0]} : std::int64_t{size[0]} * size[1];
  }
  /// World position of a (fractional) voxel index.
  std::array<double, 3> world(const std::array<double, 3>& index) const;
};

/// A volume in memory: voxel (i, j, k) at voxels[i + size[0] * (j + size[1] * k)], true values (slope applied).
struct Volume {
  Geometry geometry;
  std::vector<float> voxels;
  VoxelType stored_type = VoxelType::float32;  ///< as in the file it came from
  double slope = 1.0;                          ///< true value = slope * stored + intercept
  double intercept = 0.0;
  std::string description;
  int nifti_version = 1;
};

/// A volume on another grid that is to be stored like `volume`; its voxels are yet to come.
Volume volume_like(const Volume& volume, const Geometry& grid);

/// The grid that has `new_size` samples of `new_spacing` mm along `axis` around the same centre of the field of view;
/// affine, qform and sform follow, the other axes stay (x_in(j) = s (j + 1/2) - 1/2 + (n_in - s n_out) / 2).
Geometry resample_axis(const Geometry& geometry, int axis, int new_size, double new_spacing);

}  // namespace clade
