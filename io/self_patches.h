// SPDX-License-Identifier: Apache-2.0
// Pairs of thick and thin that a volume makes of itself: its in-plane resolution is the example for the slice axis.
#pragma once

#include <cstdint>
#include <memory>

#include "io/axes.h"
#include "io/line_upsampling.h"
#include "io/volume.h"

namespace clade {

struct SelfPatchOptions {
  double factor = 1.0;  ///< spacing of the slices in thin samples
  double blur = 1.0;    ///< full width at half maximum of the Gaussian that turns thin into thick, in thin samples
  int patch = 48;       ///< thick samples on a side
  std::uint64_t seed = 0;
};

/// Draws in-plane patches where the volume has edges, and makes thick slices of them along one of the two in-plane
/// axes.
class SelfPatches {
 public:
  /// `volume` must outlive this. Throws Error(input) for a plane of less than 8 samples of the network a side.
  SelfPatches(const Volume& volume, const PlaneAxes& axes, const SelfPatchOptions& options, ThreadPool& pool);

  /// Lines of a patch: options.patch, or the shorter side of the plane.
  int rows() const { return rows_; }
  /// Samples of a line as the network takes it: options.patch, or what fits into the shorter side of the plane.
  int input_columns() const { return upsampling_->input_size(); }
  int output_columns() const { return upsampling_->output_size(); }

  /// Pair `index`, a function of it and the seed alone. input [rows, input_columns] is what the network takes,
  /// interpolated [rows, output_columns] what it adds its answer to, target [rows, output_columns] the volume itself.
  void read(std::int64_t index, float* input, float* interpolated, float* target) const;

 private:
  const Volume& volume_;
  PlaneAxes axes_;
  SelfPatchOptions options_;
  std::array<std::vector<double>, 3> edges_;
  int rows_ = 0;
  int slices_ = 0;  // thick samples behind a line, more than it shows
  std::unique_ptr<LineUpsampling> upsampling_;
};

}  // namespace clade
