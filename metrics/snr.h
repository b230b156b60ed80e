// SPDX-License-Identifier: Apache-2.0
// Signal-to-noise ratio from two regions of one volume, as after Kaufman et al., Radiology 173, 1989.
#pragma once

#include <optional>

#include "io/volume.h"
#include "metrics/region.h"

namespace clade {

/// The mean of a region with signal over the standard deviation (n - 1) of a region of air. In magnitude images the
/// noise of air is not Gaussian, so this is an estimate to compare methods by, with the same regions for all of them.
struct SignalToNoise {
  double signal = 0.0;
  double noise = 0.0;
  /// None when air has no noise to speak of (below 1e-6 of the signal): a window or a network wiped it out, and the
  /// ratio would praise it for that.
  std::optional<double> ratio;
};

/// Throws Error(usage) for an empty signal region or fewer than two voxels of air.
SignalToNoise signal_to_noise(const Volume& volume, const Region& signal, const Region& air);

}  // namespace clade
