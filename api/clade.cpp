// SPDX-License-Identifier: Apache-2.0
#include <clade/clade.hpp>

#include <atomic>
#include <cmath>

#include "api/calls.h"
#include "api/conversion.h"
#include "core/version.h"
#include "io/nifti.h"
#include "models/super_resolve.h"

namespace clade::api {

namespace {

SuperResolveOptions to_internal(const Options& options, Device device) {
  SuperResolveOptions result;
  in_range("stride", options.stride, 1 << 20);
  in_range("batch", options.batch, 1 << 16);
  if (options.stride > 0) result.stride = options.stride;
  result.batch = options.batch > 0 ? options.batch : default_batch(device);
  result.back_projections = in_range("back_projections", options.back_projections, 100);
  if (options.thickness != 0.0) result.thickness = options.thickness;
  if (!options.plane.empty()) result.plane = parse_plane(options.plane);
  if (!options.slice_axis.empty()) result.slice_axis = parse_axis(options.slice_axis);
  if (!options.intensity.empty()) result.intensity = IntensityRule::parse(options.intensity);
  result.uncertainty = options.uncertainty != nullptr;
  return result;
}

SuperResolver load(const std::filesystem::path& path, const ModelOptions& options, Stream& stream) {
  if (!options.precision.empty()) stream.set_precision(parse_precision(options.precision));
  std::optional<Norm> norm;
  if (!options.norm.empty()) norm = parse_norm(options.norm);
  return load_model(path, norm, stream);
}

}  // namespace

struct Model::Impl {
  Impl(const std::filesystem::path& path, const ModelOptions& options)
      : log(to_internal(options.log)),
        pool(in_range("threads", options.threads, 4096)),
        stream(parse_device(options.device), pool),
        resolver(load(path, options, stream)) {
    log.info("model on ", stream.device());
  }

  SuperResolvePlan plan(const clade::Geometry& geometry, const Options& options) const {
    return plan_super_resolution(geometry, resolver.metadata(), resolver.config(),
                                 to_internal(options, stream.device()));
  }

  Volume super_resolve(Volume&& input, const Options& options) {
    clade::Volume volume = api::to_internal(std::move(input));
    const SuperResolvePlan work = plan(volume.geometry, options);
    log.info(work.patches, " tiles of ", work.patch, " x ", work.patch, " pixels in ", work.slices, " slices");
    std::int64_t done = 0;
    // Counted and stopped here and not from slab to slab, which may take many seconds.
    const PatchFunction apply = [&](View<const float> x, View<float> y) {
      CLADE_CHECK(!cancelled, ErrorCode::interrupted, "cancelled");
      resolver.apply(x, y);
      done += x.shape[0];
      CLADE_CHECK(!options.progress || options.progress(done, work.patches), ErrorCode::interrupted,
                  "stopped by the progress callback");
    };
    clade::Volume deviation;
    clade::Volume result =
        clade::super_resolve(std::move(volume), work, apply, stream, {}, work.uncertainty ? &deviation : nullptr);
    for (float value : result.voxels)
      CLADE_CHECK(std::isfinite(value), ErrorCode::numerical, "the network made values that are not finite");
    if (options.uncertainty) *options.uncertainty = to_public(std::move(deviation));
    return to_public(std::move(result));
  }

  Log log;
  ThreadPool pool;
  Stream stream;
  SuperResolver resolver;
  std::atomic<bool> cancelled{false};
};

Model::Model(const std::filesystem::path& path, const ModelOptions& options)
    : impl_(translate([&] { return std::make_unique<Impl>(path, options); })) {}
Model::~Model() = default;
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;

std::string Model::device() const { return str(impl_->stream.device()); }

Plan Model::plan(const Geometry& geometry, const Options& options) const {
  return translate([&] {
    const SuperResolvePlan work = impl_->plan(api::to_internal(geometry), options);
    return Plan{to_public(work.grid), work.axes.slice, work.slices, work.patches, work.peak_memory_bytes};
  });
}

Volume Model::super_resolve(Volume volume, const Options& options) {
  // However the call ends, a cancel that came during it is over.
  struct Reset {
    std::atomic<bool>& flag;
    ~Reset() { flag = false; }
  } reset{impl_->cancelled};
  return translate([&] { return impl_->super_resolve(std::move(volume), options); });
}

void Model::cancel() noexcept { impl_->cancelled = true; }

Volume read_nifti(const std::filesystem::path& path, const LogCallback& log) {
  return translate([&] { return to_public(clade::read_nifti(path, to_internal(log))); });
}

void write_nifti(const std::filesystem::path& path, Volume volume, int threads) {
  translate([&] {
    ThreadPool pool(in_range("threads", threads, 4096));
    clade::write_nifti(path, to_internal(std::move(volume)), VoxelType::float32, &pool);
  });
}

const char* version() noexcept { return kVersion; }

}  // namespace clade::api
