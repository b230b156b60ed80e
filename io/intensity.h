// SPDX-License-Identifier: Apache-2.0
// One linear map per volume between its intensities and the range the networks work in, exactly invertible.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace clade {

/// How the limits of the map are found: "minmax", "percentile:LO,HI" or "window:LO,HI".
struct IntensityRule {
  enum class Kind { minmax, percentile, window } kind = Kind::percentile;
  double low = 0.0;
  double high = 99.9;

  /// Throws Error(usage) for anything else, or LO >= HI, or percentiles outside [0, 100].
  static IntensityRule parse(std::string_view text);
  std::string text() const;
};

/// [low, high] of the volume to [-range, range].
struct IntensityMap {
  double low = 0.0;
  double high = 1.0;
  double range = 0.9;

  /// Network value of a voxel, clipped to [-range, range].
  float forward(float voxel) const;
  /// Voxel value of a network value, plus what `original` (the interpolated voxel) had outside [low, high].
  float inverse(float value, float original) const;
  /// Distance between voxels whose network values are `distance` apart.
  float inverse_distance(float distance) const;
};

/// Limits from the voxels as acquired; percentiles interpolate linearly between order statistics.
/// Throws Error(input) when they leave no range (a constant volume).
IntensityMap make_intensity_map(const IntensityRule& rule, double range, const std::vector<float>& voxels);

}  // namespace clade
