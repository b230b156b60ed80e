// SPDX-License-Identifier: Apache-2.0
// Training patches, drawn anew for each epoch as a pure function of the seed and the epoch.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "io/intensity.h"
#include "io/spline.h"

namespace clade {

/// A volume ready for training.
struct TrainingVolume {
  std::shared_ptr<const ResampledVolume> volume;
  IntensityMap intensity;
};

struct PatchSamplerOptions {
  int patch = 32;
  int patches_per_slice = 4;
  /// Least share of a patch's pixels above air (7.5 % of the range above its low end); 0 takes any patch.
  double foreground = 0.5;
  std::uint64_t seed = 0;
};

/// Draws X patches (low-resolution plane) and Y patches (high-resolution plane) from every slice of every volume.
class PatchSampler {
 public:
  /// Throws Error(input) when a volume is smaller than a patch in either plane.
  PatchSampler(std::vector<TrainingVolume> volumes, const PatchSamplerOptions& options);

  /// Draws the patches of `epoch` (from 0) and pairs them in random order. Returns the number of pairs, the shorter of
  /// the two lists. Throws Error(input) when no patch has enough foreground.
  std::int64_t begin_epoch(std::int64_t epoch, ThreadPool& pool);

  /// Pair `index` of the epoch: x and y are patch * patch floats, [h, w].
  void read_pair(std::int64_t index, float* x, float* y) const;

 private:
  struct Location {
    std::int32_t volume;
    std::int32_t slice;
    std::int32_t row;     ///< along the shared axis
    std::int32_t column;  ///< along the slice axis (X) or the normal axis (Y)
  };
  std::vector<TrainingVolume> volumes_;
  PatchSamplerOptions options_;
  std::vector<Location> x_;
  std::vector<Location> y_;
};

}  // namespace clade
