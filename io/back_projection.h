// SPDX-License-Identifier: Apache-2.0
// Iterative back-projection (Irani and Peleg, "Improving resolution by image registration", CVGIP 53, 1991): makes a
// super-resolved volume explain the slices that were measured.
#pragma once

#include "core/parallel.h"
#include "io/axes.h"
#include "io/degrade.h"
#include "io/volume.h"

namespace clade {

/// How a slice of the acquisition came about.
struct SliceModel {
  SliceProfile profile = SliceProfile::gaussian;
  double thickness = 0.0;  ///< full width at half maximum, mm
};

/// `rounds` times: degrades `result` to the slices of `acquisition`, interpolates what these have more, and adds it.
/// What is finer than the slices is left alone. `result` stands on isotropic_grid of the acquisition along `axes`.
/// Takes three times the memory of the acquisition. Throws Error(usage) for a thickness beyond the field of view.
void back_project(Volume& result, const Volume& acquisition, const PlaneAxes& axes, const SliceModel& slices,
                  int rounds, ThreadPool& pool);

}  // namespace clade
