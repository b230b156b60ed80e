// SPDX-License-Identifier: Apache-2.0
// SMORE (Zhao et al., "SMORE: a self-supervised anti-aliasing and super-resolution algorithm for MRI using deep
// learning", IEEE TMI 2021, doi:10.1109/TMI.2020.3037187) as its authors' published version 4 does it: a network learns
// from the planes of one volume what its slice axis lacks, and is applied to that volume. A method to compare with.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "core/log.h"
#include "core/stream.h"
#include "io/axes.h"
#include "io/self_patches.h"
#include "io/volume.h"

namespace clade {

/// The values of version 4.
struct SmoreOptions {
  std::optional<int> slice_axis;
  std::optional<double> thickness;  ///< of a slice, mm; default: the spacing of the slices
  std::int64_t steps = 26000;
  int batch = 32;
  int patch = 48;
  double learning_rate = 1e-3;  ///< highest of the OneCycle schedule
  std::uint64_t seed = 0;
  int channels = 32;
  int blocks = 16;
};

/// What the header of the volume decides.
struct SmorePlan {
  PlaneAxes axes;
  Geometry grid;        ///< of the result, the same as in plan_super_resolution
  double factor = 1.0;  ///< old / new spacing along the slice axis
  double blur = 1.0;    ///< full width at half maximum, in samples of the grid, that takes a plane to the thickness
};

/// Throws Error(input) when no axis is clearly coarser, Error(usage) for a thickness that is not between the spacing in
/// plane and the field of view.
SmorePlan plan_smore(const Geometry& geometry, const SmoreOptions& options);

class Smore {
 public:
  /// Learns nothing yet. `volume` and `stream` must outlive this. Throws Error(input) for a constant or too small
  /// volume.
  Smore(const Volume& volume, const SmorePlan& plan, const SmoreOptions& options, Stream& stream);
  ~Smore();

  /// All steps. `progress` gets the steps done, all steps, and the mean loss (|error|, the volume's range being 1)
  /// since it was last called: after every step on the CPU, every 50 on a CUDA device. A false from it throws
  /// Error(interrupted). Throws Error(numerical) for a loss that is not finite.
  void train(const std::function<bool(std::int64_t done, std::int64_t total, double loss)>& progress);

  /// The network on all slices of both planes that hold the slice axis, averaged, on plan.grid. `progress` counts
  /// slices.
  Volume apply(const ProgressCallback& progress = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace clade
