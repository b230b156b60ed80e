// SPDX-License-Identifier: Apache-2.0
#include "tools/training_data.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/philox.h"
#include "io/nifti.h"
#include "io/patch_sampler.h"
#include "io/safetensors.h"

namespace clade {

namespace {

class VolumePairs : public PairSource {
 public:
  VolumePairs(std::vector<TrainingVolume> volumes, const PatchSamplerOptions& options)
      : sampler_(std::move(volumes), options) {}

  std::int64_t begin_epoch(std::int64_t epoch, ThreadPool& pool) override { return sampler_.begin_epoch(epoch, pool); }
  void read_pair(std::int64_t index, float* x, float* y) const override { sampler_.read_pair(index, x, y); }

 private:
  PatchSampler sampler_;
};

class FilePairs : public PairSource {
 public:
  FilePairs(const TrainingSettings& settings)
      : seed_(settings.train.seed), shuffle_(settings.shuffle), patch_(settings.train.patch) {
    TensorFile file = read_safetensors(settings.patches, ErrorCode::input);
    with_context(settings.patches, [&] {
      x_ = take(file, "x");
      y_ = take(file, "y");
    });
    pairs_ = std::min(count(x_), count(y_));
  }

  std::int64_t begin_epoch(std::int64_t epoch, ThreadPool&) override {
    order_x_ = order(count(x_), epoch, 0);
    order_y_ = order(count(y_), epoch, 1);
    return pairs_;
  }

  void read_pair(std::int64_t index, float* x, float* y) const override {
    copy(x_, order_x_, index, x);
    copy(y_, order_y_, index, y);
  }

 private:
  std::int64_t pixels() const { return std::int64_t{patch_} * patch_; }
  std::int64_t count(const std::vector<float>& values) const {
    return static_cast<std::int64_t>(values.size()) / pixels();
  }

  std::vector<float> take(TensorFile& file, const char* name) const {
    HostTensor tensor = file.at(name, ErrorCode::input);
    const auto& shape = tensor.shape;
    CLADE_CHECK(shape.size() == 4 && shape[1] == 1 && shape[2] == patch_ && shape[3] == patch_ && shape[0] > 0,
                ErrorCode::input, "tensor ", name, " is not [N, 1, ", patch_, ", ", patch_,
                "] (--patch tells the size of the patches)");
    for (float value : tensor.values)
      CLADE_CHECK(std::abs(value) <= 1.0f, ErrorCode::input, "tensor ", name, " holds ", value,
                  ", which is not in [-1, 1]");
    return std::move(tensor.values);
  }

  // X and Y are shuffled apart: they are not pairs of the same place.
  std::vector<std::int64_t> order(std::int64_t size, std::int64_t epoch, std::uint64_t domain) const {
    std::vector<std::int64_t> indices(static_cast<std::size_t>(size));
    std::iota(indices.begin(), indices.end(), 0);
    if (!shuffle_) return indices;
    RandomSequence random(seed_, RandomUse::order, 2 * static_cast<std::uint64_t>(epoch) + domain);
    for (std::size_t last = indices.size() - 1; last > 0; --last)
      std::swap(indices[last], indices[random.next_below(static_cast<std::uint32_t>(last + 1))]);
    return indices;
  }

  void copy(const std::vector<float>& values, const std::vector<std::int64_t>& indices, std::int64_t index,
            float* out) const {
    const float* first = values.data() + indices[static_cast<std::size_t>(index)] * pixels();
    std::copy(first, first + pixels(), out);
  }

  std::uint64_t seed_;
  bool shuffle_;
  int patch_;
  std::vector<float> x_, y_;
  std::vector<std::int64_t> order_x_, order_y_;
  std::int64_t pairs_ = 0;
};

TrainingData open_volumes(const TrainingSettings& settings, ThreadPool& pool, const Log& log) {
  TrainingData data;
  std::vector<TrainingVolume> volumes;
  bool same_plane = true;
  const NanVoxels nan = settings.nan_is_background ? NanVoxels::background : NanVoxels::refuse;
  for (const std::string& path : settings.inputs) {
    const Volume volume = read_nifti(path, log, nan);
    with_context(path, [&] {
      PreparedVolume prepared = prepare_volume(volume, settings, pool);
      const std::array<int, 3>& size = prepared.volume.volume->grid().size;
      log.info(path, ": ", plane_name(prepared.plane), " slices of low resolution, grid ", size[0], " x ", size[1],
               " x ", size[2]);
      same_plane = same_plane && prepared.plane == data.plane.value_or(prepared.plane);
      data.plane = prepared.plane;
      volumes.push_back(std::move(prepared.volume));
    });
  }
  if (!same_plane) data.plane.reset();
  data.pairs = std::make_unique<VolumePairs>(std::move(volumes), sampler_options(settings));
  return data;
}

}  // namespace

TrainingData open_training_data(const TrainingSettings& settings, ThreadPool& pool, const Log& log) {
  if (settings.patches.empty()) return open_volumes(settings, pool, log);
  return {std::make_unique<FilePairs>(settings), settings.plane};
}

}  // namespace clade
