// SPDX-License-Identifier: Apache-2.0
#include "models/super_resolve.h"

#include <algorithm>

#include "engine/tensor.h"
#include "io/patch_grid.h"
#include "io/spline.h"
#include "kernels/dispatch.h"

namespace clade {

namespace {

constexpr int kDefaultStride = 12;
constexpr int kDefaultPatch = 32;
constexpr double kDefaultRange = 0.9;

// Enough slices in work to fill batches and to write whole cache lines of the output, few enough to bound memory.
constexpr std::int64_t kMaxSlices = 16;
constexpr std::int64_t kMaxPatches = 8192;

// Floats that one patch takes in all layers of a generator that keeps every activation.
std::int64_t activation_count(const GeneratorConfig& config, std::int64_t pixels) {
  const std::int64_t c = config.base_channels;
  const std::int64_t norms = config.norm == Norm::instance ? 2 : 1;
  const std::int64_t ends = 2 * c * pixels + 2 * (2 * c) * pixels / 4 + 4 * c * pixels / 16;
  // A norm keeps the sum behind a block from the convolution before it.
  const std::int64_t residual = config.residual_blocks * (config.norm == Norm::instance ? 5 : 2) * 4 * c * pixels / 16;
  return norms * ends + residual + 2 * pixels;
}

std::int64_t weight_count(const GeneratorConfig& config) {
  const std::int64_t c = config.base_channels;
  return 2 * 49 * c + 4 * 9 * 2 * c * c + 9 * 2 * 8 * c * c + config.residual_blocks * 2 * 9 * 16 * c * c;
}

// A slab of slices on its way through the network.
class Slab {
 public:
  Slab(const SuperResolvePlan& plan, const PatchGrid& grid, const ResampledVolume& source, const IntensityMap& map,
       Stream& stream)
      : plan_(plan),
        grid_(grid),
        source_(source),
        map_(map),
        stream_(stream),
        rows_(stream, {static_cast<std::int64_t>(grid.rows.size())}, grid.rows),
        columns_(stream, {static_cast<std::int64_t>(grid.columns.size())}, grid.columns),
        slices_(stream, {plan.slices_per_slab, grid.padded_height, grid.padded_width}),
        input_(stream, {plan.slices_per_slab * grid.count(), grid.patch, grid.patch}),
        output_(stream, input_.shape()) {}

  // Slices [first, first + count) across the normal axis into `out` (i fastest), and the standard deviations of
  // overlapping patches into `deviation` unless it is null.
  void process(std::int64_t first, std::int64_t count, const PatchFunction& apply, float* out, float* deviation) {
    read(first, count, stream_.pool());
    const View<float> slices = slices_.view(0, {count, grid_.padded_height, grid_.padded_width});
    const Shape patch_shape{count * grid_.count(), grid_.patch, grid_.patch};
    const kernels::TilePositions positions{rows_.view().data, columns_.view().data, static_cast<int>(grid_.rows.size()),
                                           static_cast<int>(grid_.columns.size())};
    stream_.copy_to_device(slices.data, padded_.data(), padded_.size() * sizeof(float));
    CLADE_KERNEL(unfold)(stream_, positions, slices, input_.view(0, patch_shape));
    const std::int64_t pixels = std::int64_t{grid_.patch} * grid_.patch;
    for (std::int64_t p = 0; p < patch_shape[0]; p += plan_.batch) {
      const Shape batch{std::min<std::int64_t>(plan_.batch, patch_shape[0] - p), grid_.patch, grid_.patch};
      apply(input_.view(p * pixels, batch), output_.view(p * pixels, batch));
    }
    CLADE_KERNEL(fold)(stream_, positions, output_.view(0, patch_shape), slices);
    stream_.copy_to_host(padded_.data(), slices.data, padded_.size() * sizeof(float));
    write(first, count, out, [&](float value, float original) { return map_.inverse(value, original); });
    if (deviation == nullptr) return;
    CLADE_KERNEL(fold_deviation)(stream_, positions, output_.view(0, patch_shape), slices);
    stream_.copy_to_host(padded_.data(), slices.data, padded_.size() * sizeof(float));
    write(first, count, deviation, [&](float value, float) { return map_.inverse_distance(value); });
  }

 private:
  void read(std::int64_t first, std::int64_t count, ThreadPool& pool) {
    const std::int64_t raw = std::int64_t{grid_.height} * grid_.width;
    const std::int64_t padded = std::int64_t{grid_.padded_height} * grid_.padded_width;
    raw_.resize(static_cast<std::size_t>(count * raw));
    padded_.resize(static_cast<std::size_t>(count * padded));
    const PlaneAxes& axes = plan_.axes;
    pool.parallel_for(count, [&](std::int64_t s) {
      const int order[3] = {axes.normal, axes.shared, axes.slice};
      int origin[3] = {0, 0, 0};
      origin[axes.normal] = static_cast<int>(first + s);
      const int extent[3] = {1, grid_.height, grid_.width};
      float* slice = raw_.data() + s * raw;
      source_.read_block(order, origin, extent, slice);
      float* line = padded_.data() + s * padded;
      for (int r = 0; r < grid_.padded_height; ++r)
        for (int c = 0; c < grid_.padded_width; ++c)
          *line++ = map_.forward(slice[PatchGrid::reflected(r, grid_.height) * grid_.width +
                                       PatchGrid::reflected(c, grid_.width)]);
    });
  }

  // The network's values as intensities: to_intensity(value, interpolated voxel).
  template <class ToIntensity>
  void write(std::int64_t first, std::int64_t count, float* out, const ToIntensity& to_intensity) {
    const PlaneAxes& axes = plan_.axes;
    const std::int64_t normal = plan_.grid.stride(axes.normal);
    const std::int64_t row = plan_.grid.stride(axes.shared);
    const std::int64_t column = plan_.grid.stride(axes.slice);
    const std::int64_t raw = std::int64_t{grid_.height} * grid_.width;
    const std::int64_t padded = std::int64_t{grid_.padded_height} * grid_.padded_width;
    // Slices innermost: they are neighbours in memory when the normal is the fastest axis.
    stream_.pool().parallel_for(grid_.height, [&](std::int64_t r) {
      for (std::int64_t c = 0; c < grid_.width; ++c)
        for (std::int64_t s = 0; s < count; ++s)
          out[(first + s) * normal + r * row + c * column] =
              to_intensity(padded_[static_cast<std::size_t>(s * padded + r * grid_.padded_width + c)],
                           raw_[static_cast<std::size_t>(s * raw + r * grid_.width + c)]);
    });
  }

  const SuperResolvePlan& plan_;
  const PatchGrid& grid_;
  const ResampledVolume& source_;
  const IntensityMap& map_;
  Stream& stream_;
  BasicTensor<std::int32_t> rows_, columns_;
  Tensor slices_, input_, output_;
  std::vector<float> raw_;
  std::vector<float> padded_;
};

PatchGrid patch_grid(const SuperResolvePlan& plan) {
  return PatchGrid(plan.grid.size[static_cast<std::size_t>(plan.axes.shared)],
                   plan.grid.size[static_cast<std::size_t>(plan.axes.slice)], plan.patch, plan.stride);
}

// Counts what is alive at once. Compared with what was used: docs/reliability.md.
std::int64_t peak_memory(const SuperResolvePlan& plan, const Geometry& acquired, const PatchGrid& grid,
                         const GeneratorConfig& config) {
  constexpr std::int64_t kProgram = std::int64_t{12} << 20;  // code, stacks, workspace of small networks
  const std::int64_t pixels = std::int64_t{plan.patch} * plan.patch;
  // The spline coefficients; for back-projection also the acquisition, its difference from the result, and the
  // coefficients of that.
  const std::int64_t acquisitions = plan.back_projections > 0 ? 4 : 1;
  const std::int64_t slab = plan.slices_per_slab * (2 * grid.count() * pixels +
                                                    3 * std::int64_t{grid.padded_height} * grid.padded_width);
  // A fifth more for the workspace of convolutions.
  const std::int64_t batch = std::min(std::int64_t{plan.batch}, plan.slices_per_slab * grid.count());
  const std::int64_t network = batch * activation_count(config, pixels) * 6 / 5;
  const std::int64_t results = plan.uncertainty ? 2 : 1;
  const std::int64_t applying =
      acquisitions * acquired.voxel_count() + results * plan.grid.voxel_count() + slab + network;
  const std::int64_t preparing = 2 * acquired.voxel_count();
  // Weights, and what convolutions make of them.
  const std::int64_t floats = std::max(applying, preparing) + 2 * weight_count(config);
  return floats * static_cast<std::int64_t>(sizeof(float)) + kProgram;
}

}  // namespace

int default_batch(Device device) { return device.is_cpu() ? 32 : 256; }

SuperResolvePlan plan_super_resolution(const Geometry& geometry, const ModelMetadata& metadata,
                                       const GeneratorConfig& config, const SuperResolveOptions& options) {
  SuperResolvePlan plan;
  plan.axes = select_axes(geometry, options.slice_axis, options.plane);
  // The plane the model was trained on is better than the default where this volume has it as a low-resolution plane.
  if (!options.plane && metadata.plane && *metadata.plane != plane_across(geometry, plan.axes.slice))
    plan.axes = select_axes(geometry, options.slice_axis, metadata.plane);
  plan.grid = isotropic_grid(geometry, plan.axes);
  plan.intensity = options.intensity.value_or(metadata.intensity.value_or(IntensityRule{}));
  plan.range = options.range.value_or(metadata.range.value_or(kDefaultRange));
  plan.patch = metadata.patch.value_or(kDefaultPatch);
  plan.stride = options.stride.value_or(metadata.stride.value_or(kDefaultStride));
  plan.batch = options.batch;
  CLADE_CHECK(plan.patch >= 8 && plan.patch % 4 == 0, ErrorCode::model, "the model's patch size is ", plan.patch,
              ", expected a multiple of 4 from 8 on");
  CLADE_CHECK(plan.batch >= 1, ErrorCode::usage, "batch is ", plan.batch, ", expected at least 1");

  plan.uncertainty = options.uncertainty;
  plan.back_projections = options.back_projections;
  const auto slice_axis = static_cast<std::size_t>(plan.axes.slice);
  plan.acquired = {options.profile, options.thickness.value_or(geometry.spacing[slice_axis])};
  const double extent = plan.grid.size[slice_axis] * plan.grid.spacing[slice_axis];
  CLADE_CHECK(plan.acquired.thickness > 0.0 && plan.acquired.thickness <= extent, ErrorCode::usage, "slice thickness ",
              plan.acquired.thickness, " mm, expected more than 0 and at most the ", extent, " mm of the field of view");

  const PatchGrid grid = patch_grid(plan);
  plan.slices = plan.grid.size[static_cast<std::size_t>(plan.axes.normal)];
  plan.patches = plan.slices * grid.count();
  plan.slices_per_slab = std::clamp<std::int64_t>(kMaxPatches / grid.count(), 1, std::min(kMaxSlices, plan.slices));

  plan.peak_memory_bytes = peak_memory(plan, geometry, grid, config);
  return plan;
}

Volume super_resolve(Volume&& volume, const SuperResolvePlan& plan, const PatchFunction& apply, Stream& stream,
                     const ProgressCallback& progress, Volume* uncertainty) {
  CLADE_CHECK(plan.uncertainty == (uncertainty != nullptr), ErrorCode::internal,
              "uncertainty is planned but not wanted, or wanted but not planned");
  const IntensityMap map = make_intensity_map(plan.intensity, plan.range, volume.voxels);
  const ResampledVolume source(volume, plan.axes, plan.grid, stream.pool());
  Volume result = volume_like(volume, plan.grid);
  if (plan.back_projections == 0) std::vector<float>().swap(volume.voxels);
  result.voxels.resize(static_cast<std::size_t>(plan.grid.voxel_count()));
  if (uncertainty) {
    *uncertainty = volume_like(volume, plan.grid);
    uncertainty->voxels.resize(result.voxels.size());
  }

  const PatchGrid grid = patch_grid(plan);
  Slab slab(plan, grid, source, map, stream);
  for (std::int64_t first = 0; first < plan.slices; first += plan.slices_per_slab) {
    const std::int64_t count = std::min(plan.slices_per_slab, plan.slices - first);
    slab.process(first, count, apply, result.voxels.data(), uncertainty ? uncertainty->voxels.data() : nullptr);
    if (progress && !progress(first + count, plan.slices)) fail(ErrorCode::interrupted, "interrupted");
  }
  back_project(result, volume, plan.axes, plan.acquired, plan.back_projections, stream.pool());
  return result;
}

Volume super_resolve(Volume&& volume, const SuperResolvePlan& plan, SuperResolver& model,
                     const ProgressCallback& progress, Volume* uncertainty) {
  const PatchFunction apply = [&](View<const float> x, View<float> y) { model.apply(x, y); };
  return super_resolve(std::move(volume), plan, apply, model.stream(), progress, uncertainty);
}

Volume interpolate(const Volume& volume, const PlaneAxes& axes, const Geometry& grid, ThreadPool& pool) {
  Volume result = volume_like(volume, grid);
  result.voxels = ResampledVolume(volume, axes, grid, pool).read_all(pool);
  return result;
}

}  // namespace clade
