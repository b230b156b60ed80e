// SPDX-License-Identifier: Apache-2.0
// The C interface: a model from a file, or a volume and options of any kind for a model that is right.
#include <clade/clade.h>
#include <fuzzer/FuzzedDataProvider.h>

#include <cmath>
#include <vector>

#include "fuzz/fuzzing.h"
#include "fuzz/tiny_model.h"

namespace {

using namespace clade;

constexpr std::int32_t kLargestSide = 24;
constexpr std::int64_t kMostTiles = 512;
constexpr std::int64_t kMostMemory = 1ll << 30;

void check_status(clade_status status, clade_model* model) {
  fuzz::require(status != CLADE_ERROR_INTERNAL, "no input leads to an internal error");
  fuzz::require(status == CLADE_OK || *clade_last_error(model) != 0, "a failure has a message");
}

clade_model_options single_threaded() {
  clade_model_options options = CLADE_MODEL_OPTIONS_INIT;
  options.device = "cpu";
  options.threads = 1;
  return options;
}

clade_model* open_tiny_model() {
  const auto path = fuzz::folder() / "tiny.safetensors";
  write_safetensors(path, fuzz::tiny_model(1));
  const clade_model_options options = single_threaded();
  clade_model* model = nullptr;
  fuzz::require(clade_model_load(path.c_str(), &options, &model) == CLADE_OK, "the tiny model can be loaded");
  return model;
}

void load(std::string_view bytes) {
  const auto path = fuzz::folder().write("model.safetensors", bytes);
  const clade_model_options options = single_threaded();
  clade_model* model = nullptr;
  check_status(clade_model_load(path.c_str(), &options, &model), nullptr);
  clade_model_free(model);
}

// A number as programs give it most of the time, or any bits at all.
double number(FuzzedDataProvider& data) {
  return data.ConsumeBool() ? data.ConsumeFloatingPointInRange(-8.0, 8.0) : data.ConsumeFloatingPoint<double>();
}

clade_geometry take_geometry(FuzzedDataProvider& data) {
  clade_geometry geometry = {};
  const bool sane = data.ConsumeBool();
  for (int axis = 0; axis < 3; ++axis) {
    geometry.size[axis] =
        sane ? data.ConsumeIntegralInRange<std::int32_t>(0, kLargestSide) : data.ConsumeIntegral<std::int32_t>();
    geometry.spacing[axis] = sane ? data.ConsumeFloatingPointInRange(0.0, 8.0) : number(data);
  }
  if (data.ConsumeBool()) {
    for (int row = 0; row < 3; ++row)
      for (int column = 0; column < 4; ++column) {
        geometry.affine[row][column] = row == column && sane ? geometry.spacing[row] : number(data);
        geometry.qform[row][column] = geometry.affine[row][column];
      }
    geometry.sform_code = data.ConsumeIntegral<std::int8_t>();
    geometry.qform_code = data.ConsumeIntegral<std::int8_t>();
  }
  return geometry;
}

std::vector<float> take_voxels(FuzzedDataProvider& data, const clade_geometry& geometry) {
  std::vector<float> voxels(static_cast<std::size_t>(geometry.size[0] * geometry.size[1] * geometry.size[2]));
  const bool plain = data.ConsumeBool();
  for (std::size_t v = 0; v < voxels.size(); ++v)
    voxels[v] = plain || data.remaining_bytes() == 0 ? static_cast<float>((v * 7919) % 1000)
                                                     : data.ConsumeFloatingPoint<float>();
  return voxels;
}

void write(const clade_geometry& geometry, const float* voxels) {
  const auto path = fuzz::folder() / "volume.nii";
  const clade_status status = clade_volume_write(path.c_str(), &geometry, voxels);
  check_status(status, nullptr);
  if (status != CLADE_OK) return;
  clade_volume* back = nullptr;
  const clade_status read = clade_volume_read(path.c_str(), &back);
  if (read != CLADE_OK) std::fprintf(stderr, "%s\n", clade_last_error(nullptr));
  fuzz::require(read == CLADE_OK, "what was written can be read");
  clade_volume_free(back);
}

void super_resolve(FuzzedDataProvider& data) {
  static clade_model* model = open_tiny_model();
  const std::string plane = data.ConsumeRandomLengthString(10), axis = data.ConsumeRandomLengthString(3),
                    intensity = data.ConsumeRandomLengthString(30);
  clade_options options = CLADE_OPTIONS_INIT;
  options.struct_size = data.ConsumeBool() ? sizeof(options) : data.ConsumeIntegralInRange<std::size_t>(0, 1000);
  if (options.struct_size > sizeof(options)) options.struct_size = sizeof(options);
  options.stride = data.ConsumeBool() ? data.ConsumeIntegralInRange(0, 8) : data.ConsumeIntegral<std::int32_t>();
  options.batch = data.ConsumeIntegralInRange(-1, 9);
  if (!plane.empty()) options.plane = plane.c_str();
  if (!axis.empty()) options.slice_axis = axis.c_str();
  if (!intensity.empty()) options.intensity = intensity.c_str();
  clade_volume* uncertainty = nullptr;
  if (data.ConsumeBool()) options.uncertainty = &uncertainty;
  const clade_geometry geometry = take_geometry(data);
  clade_geometry planned = {};
  std::int64_t tiles = 0, memory = 0;
  const clade_status status = clade_model_plan(model, &geometry, &options, &planned, &tiles, &memory);
  check_status(status, model);
  if (status == CLADE_OK) fuzz::require(tiles > 0 && memory > 0, "a plan has work in it");
  for (std::int32_t side : geometry.size)
    if (side < 1 || side > kLargestSide) return;
  const std::vector<float> voxels = take_voxels(data, geometry);
  write(geometry, voxels.data());
  if (status == CLADE_OK && (tiles > kMostTiles || memory > kMostMemory)) return;
  clade_volume* result = nullptr;
  check_status(clade_model_super_resolve(model, &geometry, voxels.data(), &options, &result), model);
  fuzz::require(result || !uncertainty, "a volume is made only on success");
  if (!result) return;
  for (int side = 0; side < 3; ++side)
    fuzz::require(clade_volume_geometry(result)->size[side] == planned.size[side], "the plan told the size");
  const float* out = clade_volume_voxels(result);
  for (std::int64_t v = 0; v < std::int64_t{planned.size[0]} * planned.size[1] * planned.size[2]; ++v)
    fuzz::require(std::isfinite(out[v]), "voxels are finite");
  for (std::int64_t v = 0; uncertainty && v < std::int64_t{planned.size[0]} * planned.size[1] * planned.size[2]; ++v)
    fuzz::require(clade_volume_voxels(uncertainty)[v] >= 0.0f, "standard deviations are not negative");
  clade_volume_free(uncertainty);
  clade_volume_free(result);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  if (data[0] == 0) {
    load(fuzz::text_of(data + 1, size - 1));
  } else {
    FuzzedDataProvider provider(data + 1, size - 1);
    super_resolve(provider);
  }
  return 0;
}
