// SPDX-License-Identifier: Apache-2.0
// Regular patterns along the slice axis: checkerboards of a decoder (periods 2 and 4), seams of tiles (their stride).
// PIQE takes them for quality, so they are measured on their own.
#pragma once

#include <optional>
#include <vector>

#include "core/parallel.h"
#include "io/volume.h"

namespace clade {

/// Power spectral density along one axis, averaged over all lines of the volume, in intensity squared per (cycle per
/// voxel), at frequencies in cycles per voxel. Welch, IEEE Trans. Audio Electroacoust. 15, 1967: segments that overlap
/// by half, their mean removed, Hann window. Throws Error(usage) for segments shorter than 8 voxels or longer than the
/// axis.
std::vector<double> spectral_density(const Volume& volume, int axis, int segment,
                                     const std::vector<double>& frequencies, ThreadPool& pool);

struct PeriodEnergy {
  double period = 0.0;  ///< voxels
  /// Density over that in the acquisition's plane. Far below 1 for a blurred volume, far above for a pattern, but for
  /// noise as well where a reconstruction filter has taken it out of the plane.
  double ratio = 0.0;
  /// Density over the geometric mean of its surroundings in the same spectrum: 1 for detail and noise, more for a
  /// pattern. Without meaning where `ratio` is far below 1. None when the period is too long for the segments to tell
  /// it from its surroundings.
  std::optional<double> peak;
  /// What stands above the surroundings, over the density in the acquisition's plane: ratio (1 - 1 / peak), at least 0.
  /// Only patterns that are strong and stand out are left: 0 is right.
  std::optional<double> excess;
};

/// Energy of `result` at the given periods along `slice_axis`, against the spectrum of `acquisition` along its two
/// other axes (whose voxels are as long as the result's). Segments have 16 to 128 voxels, as many as all axes allow.
/// Throws Error(input) when an axis is shorter than 16 voxels or the acquisition is constant, Error(usage) for periods
/// below 2.
std::vector<PeriodEnergy> periodicity(const Volume& result, int slice_axis, const Volume& acquisition,
                                      const std::vector<double>& periods, ThreadPool& pool);

/// Seams between tiles whose positions repeat every `stride` slices. They are thin and everywhere at once, so one
/// frequency hardly shows them: the mean absolute step from each slice to the next is taken relative to its mean over
/// one stride around it, averaged over the slices with the same remainder by the stride, and the largest of these
/// averages is returned. 1 without seams. Throws Error(usage) for a stride below 2, Error(input) when the axis is
/// shorter than three strides or all slices are the same.
double seam_contrast(const Volume& volume, int axis, int stride, ThreadPool& pool);

}  // namespace clade
