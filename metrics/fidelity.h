// SPDX-License-Identifier: Apache-2.0
// Data fidelity: does a result still explain the slices that were measured? It is degraded back to thick slices and
// compared with them. What a network invents or loses within the resolution of the acquisition shows here.
#pragma once

#include "core/parallel.h"
#include "io/degrade.h"
#include "io/volume.h"

namespace clade {

struct Fidelity {
  double rmse = 0.0;           ///< root mean square difference, intensity
  double relative_rmse = 0.0;  ///< over the intensity range
  double bias = 0.0;           ///< mean difference over the intensity range
  double worst_slice = 0.0;    ///< largest relative_rmse of one slice
  Volume difference;           ///< degraded result minus acquisition, on the grid of the acquisition
};

/// `profile` and `thickness` (mm) are what the acquired slices are taken to be; `range` is the span of intensities that
/// differences are relative to. Even the interpolated acquisition does not score 0, since its slices are blurred once
/// more: compare with its score. Throws Error(input) when the grids do not belong together, Error(usage) for range <=
/// 0.
Fidelity data_fidelity(const Volume& result, const Volume& acquisition, SliceProfile profile, double thickness,
                       double range, ThreadPool& pool);

}  // namespace clade
