// SPDX-License-Identifier: Apache-2.0
// Makes a thick-slice acquisition of a finer volume, so that super-resolution can be measured against the truth.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/parallel.h"
#include "io/volume.h"

namespace clade {

/// Sensitivity of a slice across its thickness.
enum class SliceProfile { gaussian, boxcar };
/// Throws Error(usage) for an unknown name.
SliceProfile parse_slice_profile(std::string_view name);

struct DegradeOptions {
  int axis = 2;
  SliceProfile profile = SliceProfile::gaussian;
  double thickness = 0.0;  ///< full width at half maximum of the profile, mm
  double spacing = 0.0;    ///< distance of slice centres, mm
};

/// Slices of the given thickness and distance along an axis, around the same centre of the field of view:
/// n_out = floor(n_in old / new + 1/2), at least 1. A slice is the mean of the input slices weighted by the profile
/// integrated over each of them; the border is half-sample symmetric.
/// Throws Error(usage) unless 0 < thickness <= field of view and 0 < spacing.
Volume degrade(const Volume& volume, const DegradeOptions& options, ThreadPool& pool);

enum class NoiseKind {
  gaussian,  ///< added, as in CT
  rician     ///< magnitude of the voxel plus complex noise, as in MR magnitude images
};

/// Adds noise of standard deviation `sd` (of each channel for rician), a function of (seed, voxel) alone.
/// Throws Error(usage) for a negative or infinite `sd`.
void add_noise(Volume& volume, NoiseKind kind, double sd, std::uint64_t seed, ThreadPool& pool);

}  // namespace clade
