// SPDX-License-Identifier: Apache-2.0
// What is asked of an affine wherever it comes from: a file or a caller of the library.
#pragma once

#include "io/volume.h"

namespace clade {

/// Share by which a spacing and the length of the affine's column may differ before one of them is called wrong.
inline constexpr double kSpacingTolerance = 0.01;
/// Cosine of the angle between two voxel axes from which on they are called slanted.
inline constexpr double kSlanted = 0.01;

Affine scaling(const std::array<double, 3>& spacing);
/// Length in mm of a voxel along an axis.
double column_length(const Affine& affine, std::size_t axis);
/// Cosine of the angle between two voxel axes.
double axis_cosine(const Affine& affine, std::size_t first, std::size_t second);
/// Throws Error(input) that begins with `name` if an element is not finite or beyond kFarthest, or if the axes lie in a
/// plane.
void check_affine(const Affine& affine, const char* name);

}  // namespace clade
