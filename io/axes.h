// SPDX-License-Identifier: Apache-2.0
// Which axis is thick, and which plane the networks see.
#pragma once

#include <optional>
#include <string_view>

#include "io/volume.h"

namespace clade {

enum class Plane { sagittal, coronal, axial };
const char* plane_name(Plane plane);
/// Throws Error(usage) for an unknown name.
Plane parse_plane(std::string_view name);
/// "i", "j" or "k" to 0, 1, 2. Throws Error(usage).
int parse_axis(std::string_view name);

/// Roles of the three voxel axes. The low-resolution plane is (slice, shared), the high-resolution plane (shared,
/// normal). A patch [h, w] has h = shared; w = slice in domain X and w = normal in domain Y.
struct PlaneAxes {
  int slice = 2;
  int shared = 1;
  int normal = 0;
  Plane plane = Plane::sagittal;  ///< anatomical name of the low-resolution plane
};

/// The anatomical plane whose normal is nearest to the direction of `axis`, each axis having a plane of its own.
Plane plane_across(const Geometry& geometry, int axis);

/// The axis with the clearly largest spacing (at least 1.5 times the next), or `axis` if given.
/// Throws Error(input) when none is clearly largest, naming the spacings and --slice-axis.
int find_slice_axis(const Geometry& geometry, std::optional<int> axis = {});

/// Default plane: sagittal when that is a low-resolution plane, else coronal, else axial.
/// Throws Error(usage) when `plane` is the high-resolution plane.
PlaneAxes select_axes(const Geometry& geometry, std::optional<int> slice_axis, std::optional<Plane> plane);

/// Grid after through-plane resampling: spacing of axes.slice becomes that of axes.shared,
/// n_out = floor(n_in old / new + 1/2). Throws Error(input) when that is not an upsampling.
Geometry isotropic_grid(const Geometry& geometry, const PlaneAxes& axes);

}  // namespace clade
