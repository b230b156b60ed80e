// SPDX-License-Identifier: Apache-2.0
// A volume in, an isotropic volume out.
#pragma once

#include <functional>
#include <optional>

#include "core/log.h"
#include "io/axes.h"
#include "io/back_projection.h"
#include "io/intensity.h"
#include "io/volume.h"
#include "models/model.h"

namespace clade {

/// Patches per call of the network that keep a device busy.
int default_batch(Device device);

/// What the command line says; empty fields come from the model's metadata, then from the defaults.
struct SuperResolveOptions {
  std::optional<int> stride;   ///< default 12
  std::optional<Plane> plane;  ///< of the low-resolution slices
  std::optional<int> slice_axis;
  std::optional<IntensityRule> intensity;         ///< default percentile:0,99.9
  std::optional<double> range;                    ///< default 0.9
  int batch = 32;                                 ///< patches per call of the network
  int back_projections = 0;                       ///< rounds of back_project after the network
  SliceProfile profile = SliceProfile::gaussian;  ///< of the acquired slices
  std::optional<double> thickness;                ///< of the acquired slices, mm; default their spacing
  bool uncertainty = false;                       ///< also the standard deviation of overlapping patches
};

/// All decisions and costs of one volume, made before any work.
struct SuperResolvePlan {
  PlaneAxes axes;
  Geometry grid;  ///< of the output
  IntensityRule intensity;
  double range = 0.9;
  int patch = 32;
  int stride = 12;
  int batch = 32;
  int back_projections = 0;
  SliceModel acquired;
  bool uncertainty = false;
  std::int64_t slices = 0;
  std::int64_t patches = 0;
  std::int64_t slices_per_slab = 1;    ///< slices in work at once
  std::int64_t peak_memory_bytes = 0;  ///< estimate for the whole process
};

/// Needs only the header of the volume. `config` is the generator's shape, for the memory estimate.
SuperResolvePlan plan_super_resolution(const Geometry& geometry, const ModelMetadata& metadata,
                                       const GeneratorConfig& config, const SuperResolveOptions& options);

/// A function on patches [count, patch, patch] on the stream's device; what stands in for G_X in tests.
using PatchFunction = std::function<void(View<const float> x, View<float> y)>;

/// Interpolates through-plane, cuts slices into patches, applies `apply`, averages overlaps, and maps intensities back.
/// `progress` counts slices; a false from it throws Error(interrupted). The input's voxels are released on the way.
/// `uncertainty`, given exactly when the plan has it, gets on the same grid the standard deviation of the patches that
/// were averaged, in the volume's intensities: 0 where one patch alone covers a voxel. Back-projection leaves it alone.
Volume super_resolve(Volume&& volume, const SuperResolvePlan& plan, const PatchFunction& apply, Stream& stream,
                     const ProgressCallback& progress = {}, Volume* uncertainty = nullptr);

/// The same with a trained generator.
Volume super_resolve(Volume&& volume, const SuperResolvePlan& plan, SuperResolver& model,
                     const ProgressCallback& progress = {}, Volume* uncertainty = nullptr);

/// Cubic interpolation on a grid of isotropic_grid: what the network starts from, and the reference for pictures.
Volume interpolate(const Volume& volume, const PlaneAxes& axes, const Geometry& grid, ThreadPool& pool);

}  // namespace clade
