// SPDX-License-Identifier: Apache-2.0
// The C API on top of the C++ one. No exception gets past `guard`.
#include <clade/clade.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include <clade/clade.hpp>

#include "io/volume.h"

namespace api = clade::api;

struct clade_model {
  explicit clade_model(const char* path, const api::ModelOptions& options) : model(path, options) {}

  std::mutex running;
  api::Model model;
  std::mutex error_access;  // apart from `running`, so that errors can be read while work goes on
  std::string error;
};

struct clade_volume {
  clade_geometry geometry{};
  std::vector<float> voxels;
};

namespace {

// Of calls without a model; and the copies that clade_last_error hands out.
thread_local std::string thread_error;
thread_local std::string shown_error;

void remember(clade_model* model, const char* message) noexcept {
  try {
    if (!model) {
      thread_error = message;
      return;
    }
    const std::lock_guard lock(model->error_access);
    model->error = message;
  } catch (...) {
    // No memory for the message; the status says enough.
  }
}

// Runs `body` and turns what it throws into a status and a message.
template <class Body>
clade_status guard(clade_model* model, const Body& body) noexcept {
  try {
    body();
    return CLADE_OK;
  } catch (const api::Error& error) {
    remember(model, error.what());
    return static_cast<clade_status>(error.status());
  } catch (const std::bad_alloc&) {
    remember(model, "out of memory");
    return CLADE_ERROR_DEVICE;
  } catch (const std::exception& error) {
    remember(model, error.what());
    return CLADE_ERROR_INTERNAL;
  } catch (...) {
    remember(model, "unknown exception");
    return CLADE_ERROR_INTERNAL;
  }
}

void require(bool condition, const char* message) {
  if (!condition) throw api::Error(api::Status::usage, message);
}

// The options of a caller who may have been compiled with fewer fields than there are now.
template <class Options>
Options complete(const Options* given) {
  Options result{};
  if (!given) return result;
  // A size that no version had could end within a pointer.
  require(given->struct_size >= sizeof(std::size_t) && given->struct_size % alignof(Options) == 0,
          "struct_size of the options is not set to their size");
  std::memcpy(static_cast<void*>(&result), given, std::min(given->struct_size, sizeof(Options)));
  return result;
}

std::string text(const char* value) { return value ? value : ""; }

api::LogCallback convert(clade_log_callback log, void* user) {
  if (!log) return {};
  return [log, user](api::LogLevel level, std::string_view message) {
    log(user, static_cast<clade_log_level>(level), std::string(message).c_str());
  };
}

api::ModelOptions convert(const clade_model_options& options) {
  api::ModelOptions result;
  if (options.device) result.device = options.device;
  result.threads = options.threads;
  result.norm = text(options.norm);
  result.precision = text(options.precision);
  result.log = convert(options.log, options.log_user);
  return result;
}

// The options, with `uncertainty` as the place for that volume where it is asked for.
api::Options convert(const clade_options& options, api::Volume& uncertainty) {
  api::Options result;
  result.stride = options.stride;
  result.batch = options.batch;
  result.plane = text(options.plane);
  result.slice_axis = text(options.slice_axis);
  result.intensity = text(options.intensity);
  result.back_projections = options.back_projections;
  result.thickness = options.thickness;
  if (options.uncertainty) result.uncertainty = &uncertainty;
  if (options.progress)
    result.progress = [progress = options.progress, user = options.progress_user](
                          std::int64_t done, std::int64_t total) { return progress(user, done, total) == 0; };
  return result;
}

api::TrainingOptions convert(const clade_training_options& options) {
  api::TrainingOptions result;
  if (options.preset) result.preset = options.preset;
  if (options.steps != 0) result.steps = options.steps;
  if (options.batch != 0) result.batch = options.batch;
  if (options.learning_rate != 0.0) result.learning_rate = options.learning_rate;
  result.clip_gradient = options.clip_gradient;
  if (options.ema != 0.0) result.ema = options.ema < 0.0 ? 0.0 : options.ema;
  result.seed = options.seed;
  if (options.base_channels != 0) result.base_channels = options.base_channels;
  if (options.residual_blocks != 0) result.residual_blocks = options.residual_blocks;
  result.norm = text(options.norm);
  result.plane = text(options.plane);
  result.slice_axis = text(options.slice_axis);
  result.intensity = text(options.intensity);
  if (options.device) result.device = options.device;
  result.threads = options.threads;
  result.log = convert(options.log, options.log_user);
  if (options.progress)
    result.progress = [progress = options.progress, user = options.progress_user](const api::TrainingProgress& at) {
      const clade_training_progress shown = {at.step,          at.steps, at.adversarial,
                                             at.discriminator, at.cycle, at.gradient};
      return progress(user, &shown) == 0;
    };
  return result;
}

void copy(const double (&from)[3][4], api::Affine& to) {
  for (std::size_t row = 0; row < 3; ++row) std::copy_n(from[row], 4, to[row].begin());
}

void copy(const api::Affine& from, double (&to)[3][4]) {
  for (std::size_t row = 0; row < 3; ++row) std::copy_n(from[row].begin(), 4, to[row]);
}

api::Geometry convert(const clade_geometry& geometry) {
  api::Geometry result;
  std::copy_n(geometry.size, 3, result.size.begin());
  std::copy_n(geometry.spacing, 3, result.spacing.begin());
  copy(geometry.affine, result.affine);
  result.sform_code = geometry.sform_code;
  result.qform_code = geometry.qform_code;
  copy(geometry.qform, result.qform);
  return result;
}

clade_geometry convert(const api::Geometry& geometry) {
  clade_geometry result{};
  std::copy_n(geometry.size.begin(), 3, result.size);
  std::copy_n(geometry.spacing.begin(), 3, result.spacing);
  copy(geometry.affine, result.affine);
  result.sform_code = geometry.sform_code;
  result.qform_code = geometry.qform_code;
  copy(geometry.qform, result.qform);
  return result;
}

// A copy of the caller's voxels. Sizes are checked here because they say how much is read.
api::Volume convert(const clade_geometry* geometry, const float* voxels) {
  require(geometry && voxels, "geometry or voxels are NULL");
  api::Volume volume;
  volume.geometry = convert(*geometry);
  double count = 1.0;
  for (int size : volume.geometry.size) {
    if (size < 1) throw api::Error(api::Status::input, "a volume of size " + std::to_string(size));
    count *= size;
  }
  if (count > clade::kMaxVoxels) throw api::Error(api::Status::input, "a volume larger than any memory");
  volume.voxels.assign(voxels, voxels + volume.geometry.voxel_count());
  return volume;
}

clade_volume* make_volume(api::Volume&& volume) {
  return new clade_volume{convert(volume.geometry), std::move(volume.voxels)};
}

}  // namespace

extern "C" {

const char* clade_version(void) { return api::version(); }

const char* clade_last_error(clade_model* model) {
  try {
    if (!model) {
      shown_error = thread_error;
    } else {
      const std::lock_guard lock(model->error_access);
      shown_error = model->error;
    }
    return shown_error.c_str();
  } catch (...) {
    return "out of memory";
  }
}

clade_status clade_model_load(const char* path, const clade_model_options* options, clade_model** model) {
  return guard(nullptr, [&] {
    require(path && model, "path or model is NULL");
    *model = new clade_model(path, convert(complete(options)));
  });
}

void clade_model_free(clade_model* model) { delete model; }

clade_status clade_model_plan(clade_model* model, const clade_geometry* geometry, const clade_options* options,
                              clade_geometry* result, int64_t* units, int64_t* peak_memory_bytes) {
  return guard(model, [&] {
    require(model && geometry, "model or geometry is NULL");
    const std::lock_guard lock(model->running);
    api::Volume uncertainty;
    const api::Plan plan = model->model.plan(convert(*geometry), convert(complete(options), uncertainty));
    if (result) *result = convert(plan.geometry);
    if (units) *units = plan.tiles;
    if (peak_memory_bytes) *peak_memory_bytes = plan.peak_memory_bytes;
  });
}

clade_status clade_model_super_resolve(clade_model* model, const clade_geometry* geometry, const float* voxels,
                                       const clade_options* options, clade_volume** result) {
  return guard(model, [&] {
    require(model && result, "model or result is NULL");
    const std::lock_guard lock(model->running);
    const clade_options given = complete(options);
    api::Volume uncertainty;
    std::unique_ptr<clade_volume> made(
        make_volume(model->model.super_resolve(convert(geometry, voxels), convert(given, uncertainty))));
    if (given.uncertainty) *given.uncertainty = make_volume(std::move(uncertainty));
    *result = made.release();
  });
}

void clade_model_cancel(clade_model* model) {
  if (model) model->model.cancel();
}

const clade_geometry* clade_volume_geometry(const clade_volume* volume) { return volume ? &volume->geometry : nullptr; }

const float* clade_volume_voxels(const clade_volume* volume) { return volume ? volume->voxels.data() : nullptr; }

void clade_volume_free(clade_volume* volume) { delete volume; }

clade_status clade_volume_read(const char* path, clade_volume** volume) {
  return guard(nullptr, [&] {
    require(path && volume, "path or volume is NULL");
    *volume = make_volume(api::read_nifti(path));
  });
}

clade_status clade_volume_write(const char* path, const clade_geometry* geometry, const float* voxels) {
  return guard(nullptr, [&] {
    require(path, "path is NULL");
    api::write_nifti(path, convert(geometry, voxels));
  });
}

clade_status clade_train(int32_t count, const clade_geometry* geometries, const float* const* voxels, const char* path,
                         const clade_training_options* options) {
  return guard(nullptr, [&] {
    require(path, "path is NULL");
    require(count >= 0 && (count == 0 || (geometries && voxels)), "no geometries or voxels for the volumes");
    const api::TrainingOptions given = convert(complete(options));
    std::vector<api::Volume> volumes;
    volumes.reserve(static_cast<std::size_t>(count));
    for (int32_t v = 0; v < count; ++v) volumes.push_back(convert(geometries + v, voxels[v]));
    api::train(std::move(volumes), path, given);
  });
}

}  // extern "C"
