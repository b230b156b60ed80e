// SPDX-License-Identifier: Apache-2.0
// PIQE, a quality score without a reference: Venkatanath, Praneeth, Maruthi Chandrasekhar, Channappayya and Medasani,
// "Blind image quality evaluation using perception based features", NCC 2015. Lower is better. It takes fine texture
// for quality, checkerboards included, so it is never to be read alone (metrics/periodicity.h, metrics/fidelity.h).
#pragma once

#include <vector>

#include "core/parallel.h"
#include "io/axes.h"
#include "io/intensity.h"
#include "metrics/slice_image.h"
#include "metrics/summary.h"

namespace clade {

/// The score of one picture and what it is made of.
struct PiqeScore {
  double score = 100.0;     ///< 0 (best) to 100
  int active_blocks = 0;    ///< blocks of 16 x 16 with enough contrast to be judged; 0 scores 100
  int artifact_blocks = 0;  ///< active blocks with a flat piece of edge
  int noise_blocks = 0;     ///< active blocks with noise
};

/// Score of a picture whose pixels are grey values 0..255 (whole numbers, as the published programs round them).
PiqeScore piqe(const SliceImage& grey);

/// Grey value 0..255 of a voxel: [map.low, map.high] is stretched over the scale, the rest is clipped. The score
/// depends on this map, so volumes that are compared share one, taken from the acquisition.
float grey_value(const IntensityMap& map, float voxel);

/// Scores of all slices of a plane, in storage order.
std::vector<PiqeScore> piqe_slices(const Volume& volume, Plane plane, const IntensityMap& map, ThreadPool& pool);

/// Mean over the slices that can be judged, and how many could not.
struct PiqePlaneScore {
  Summary summary;  ///< over the counted slices
  int empty = 0;    ///< slices left out: without active blocks in the baseline
  int lost = 0;     ///< counted slices without active blocks in this volume alone; each counts as 100
};

/// A slice counts when `baseline` (the same plane of the volume all methods start from) has active blocks there: so
/// all methods are averaged over the same slices, and one that wiped out the picture is not spared.
/// Throws Error(input) when the numbers of slices differ.
PiqePlaneScore average_piqe(const std::vector<PiqeScore>& slices, const std::vector<PiqeScore>& baseline);

}  // namespace clade
