// SPDX-License-Identifier: Apache-2.0
// Sharpness of edges: the steepest slope of an intensity profile across the edge, after Steeden et al., "Rapid whole-
// heart CMR with single volume super-resolution", J. Cardiovasc. Magn. Reson. 22:56, 2020.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "core/parallel.h"
#include "io/volume.h"

namespace clade {

/// A straight line across an edge, world coordinates in mm (RAS+).
struct Profile {
  std::array<double, 3> start{}, end{};
};

/// Largest absolute slope per mm of samples that stand `step` mm apart, after stretching them to [0, 1]: the first
/// derivative and the smoothed values, whose range is the unit, are those of cubics fitted to five samples each
/// (Savitzky and Golay, Anal. Chem. 36, 1964). None for a flat profile. Throws Error(usage) for fewer than five
/// samples.
std::optional<double> steepest_slope(std::span<const double> samples, double step);

/// Which edges are looked for.
enum class EdgeDirection {
  any,
  through_plane,  ///< normal within 30 degrees of the slice axis: what super-resolution is to sharpen
  in_plane        ///< normal at least 60 degrees away from it: what is to stay as sharp as it was
};

struct EdgeSearch {
  EdgeDirection direction = EdgeDirection::any;
  int slice_axis = 2;
  int count = 100;           ///< profiles at most
  double length = 12.0;      ///< of a profile, mm
  double separation = 10.0;  ///< between the middles of two profiles at least, mm
};

/// Profiles along the gradient through the places where it is largest (central differences), strongest first. Profiles
/// that leave the volume are left out. Methods are compared at the places found on one of the volumes.
std::vector<Profile> find_edges(const Volume& volume, const EdgeSearch& search);

/// Sharpness along each profile in 1/mm, sampled with cubic B-splines every `step` mm; none where it is flat.
/// Throws Error(usage) when a profile leaves the volume or is shorter than five samples.
std::vector<std::optional<double>> edge_sharpness(const Volume& volume, const std::vector<Profile>& profiles,
                                                  double step, ThreadPool& pool);

/// Half the finest spacing: samples this close follow every edge that the voxels can hold.
double profile_step(const Geometry& geometry);

}  // namespace clade
