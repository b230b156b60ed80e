// SPDX-License-Identifier: Apache-2.0
// Makes a thick-slice acquisition of a finer volume, so that super-resolution can be measured against the truth.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/parallel.h"
#include "io/volume.h"

namespace clade {

/// Sensitivity of a slice across its thickness.
enum class SliceProfile { gaussian, boxcar };
/// Throws Error(usage) for an unknown name.
SliceProfile parse_slice_profile(std::string_view name);

/// A sample of a line and its share in a slice.
struct ProfileTap {
  std::int64_t index;
  double weight;
};

/// What a slice of `thickness` (samples, > 0) around `centre` takes from a line of `size` samples: the profile
/// integrated over each of them, with sum 1. Half-sample symmetric border. Sample m fills [m - 1/2, m + 1/2].
std::vector<ProfileTap> profile_taps(SliceProfile profile, double thickness, double centre, int size);

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
