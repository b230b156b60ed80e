// SPDX-License-Identifier: Apache-2.0
// Differences from a volume that is known to be right. All take volumes of the same size (Error(input)
// otherwise) and a region, which is the whole volume when it is empty.
#pragma once

#include "core/parallel.h"
#include "io/axes.h"
#include "io/volume.h"
#include "metrics/region.h"

namespace clade {

/// Peak signal-to-noise ratio 20 log10(range / root mean square difference) in dB over a region; infinite for equal
/// volumes. `range` is the span of intensities that counts as the peak, the same for all methods.
/// Throws Error(usage) for range <= 0.
double psnr(const Volume& volume, const Volume& reference, double range, const Region& region);

/// Structural similarity of Wang, Bovik, Sheikh and Simoncelli, IEEE Trans. Image Process. 13(4), 2004, in their
/// variant: 11 x 11 Gaussian window of sigma 1.5 that lies inside the picture, moments weighted with it (no n - 1), K1
/// = 0.01, K2 = 0.03, no downsampling. Mean over the windows of all slices of a plane whose middle lies in the region.
/// Throws Error(usage) for range <= 0, and Error(input) when no window fits.
double ssim(const Volume& volume, const Volume& reference, Plane plane, double range, const Region& region,
            ThreadPool& pool);

/// Mean length of the difference of the two gradients over the mean length of the reference's gradient: 0 for equal
/// volumes, 1 for a constant one. Central differences per mm, voxels of the region that are not on the border of the
/// volume.
struct GradientError {
  double total = 0.0;
  double through_plane = 0.0;  ///< of the component along the slice axis alone
};
/// Throws Error(input) when the reference has no gradient there.
GradientError gradient_error(const Volume& volume, const Volume& reference, int slice_axis, const Region& region);

}  // namespace clade
