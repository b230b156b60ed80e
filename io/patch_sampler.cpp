// SPDX-License-Identifier: Apache-2.0
#include "io/patch_sampler.h"

#include <algorithm>

#include "core/error.h"
#include "core/philox.h"

namespace clade {

namespace {

// Air lies below this share of the range of intensities.
constexpr double kAir = 0.075;
// Places tried for one patch before its slice goes without.
constexpr int kTries = 32;

enum class Domain : std::uint64_t { x = 0, y = 1 };

// The axis across the slices of a domain, and the axis along the width of its patches.
int across(const PlaneAxes& axes, Domain domain) { return domain == Domain::x ? axes.normal : axes.slice; }
int along(const PlaneAxes& axes, Domain domain) { return domain == Domain::x ? axes.slice : axes.normal; }

int extent(const ResampledVolume& volume, int axis) { return volume.grid().size[static_cast<std::size_t>(axis)]; }

void read_patch(const ResampledVolume& volume, Domain domain, int slice, int row, int column, int patch, float* out) {
  const PlaneAxes& axes = volume.axes();
  const int order[3] = {across(axes, domain), axes.shared, along(axes, domain)};
  int origin[3];
  origin[order[0]] = slice;
  origin[order[1]] = row;
  origin[order[2]] = column;
  volume.read_block(order, origin, {1, patch, patch}, out);
}

bool has_foreground(const std::vector<float>& patch, const IntensityMap& intensity, double share) {
  const double air = intensity.low + kAir * (intensity.high - intensity.low);
  const auto above = std::count_if(patch.begin(), patch.end(), [&](float voxel) { return voxel > air; });
  return static_cast<double>(above) >= share * static_cast<double>(patch.size());
}

// Names the random sequence of one slice. 20 bits hold any slice, 19 any volume: the parts do not run together.
std::uint64_t sequence_index(std::int64_t epoch, std::uint64_t volume, Domain domain, std::int64_t slice) {
  return (static_cast<std::uint64_t>(epoch) << 40) | (volume << 21) | (static_cast<std::uint64_t>(domain) << 20) |
         static_cast<std::uint64_t>(slice);
}

// Fisher and Yates.
template <class T>
void shuffle(std::vector<T>& list, RandomSequence random) {
  for (std::size_t left = list.size(); left > 1; --left)
    std::swap(list[left - 1], list[random.next_below(static_cast<std::uint32_t>(left))]);
}

}  // namespace

PatchSampler::PatchSampler(std::vector<TrainingVolume> volumes, const PatchSamplerOptions& options)
    : volumes_(std::move(volumes)), options_(options) {
  for (const TrainingVolume& training : volumes_) {
    const auto& size = training.volume->grid().size;
    CLADE_CHECK(std::min({size[0], size[1], size[2]}) >= options_.patch, ErrorCode::input, "a volume of ", size[0],
                " x ", size[1], " x ", size[2], " voxels after resampling is smaller than a patch of ", options_.patch,
                " x ", options_.patch);
  }
}

std::int64_t PatchSampler::begin_epoch(std::int64_t epoch, ThreadPool& pool) {
  for (const Domain domain : {Domain::x, Domain::y}) {
    std::vector<Location>& list = domain == Domain::x ? x_ : y_;
    list.clear();
    for (std::size_t v = 0; v < volumes_.size(); ++v) {
      const ResampledVolume& volume = *volumes_[v].volume;
      const PlaneAxes& axes = volume.axes();
      const auto rows = static_cast<std::uint32_t>(extent(volume, axes.shared) - options_.patch + 1);
      const auto columns = static_cast<std::uint32_t>(extent(volume, along(axes, domain)) - options_.patch + 1);
      std::vector<std::vector<Location>> slices(static_cast<std::size_t>(extent(volume, across(axes, domain))));
      pool.parallel_for(std::int64_t(slices.size()), [&](std::int64_t slice) {
        RandomSequence random(options_.seed, RandomUse::patches, sequence_index(epoch, v, domain, slice));
        std::vector<float> patch(static_cast<std::size_t>(options_.patch * options_.patch));
        for (int p = 0; p < options_.patches_per_slice; ++p)
          for (int attempt = 0; attempt < kTries; ++attempt) {
            const Location place{static_cast<std::int32_t>(v), static_cast<std::int32_t>(slice),
                                 static_cast<std::int32_t>(random.next_below(rows)),
                                 static_cast<std::int32_t>(random.next_below(columns))};
            if (options_.foreground > 0.0) {
              read_patch(volume, domain, place.slice, place.row, place.column, options_.patch, patch.data());
              if (!has_foreground(patch, volumes_[v].intensity, options_.foreground)) continue;
            }
            slices[static_cast<std::size_t>(slice)].push_back(place);
            break;
          }
      });
      for (const auto& places : slices) list.insert(list.end(), places.begin(), places.end());
    }
    CLADE_CHECK(!list.empty(), ErrorCode::input, "no patch of the ", domain == Domain::x ? "low" : "high",
                "-resolution plane has ", 100.0 * options_.foreground,
                " % of its pixels above air; lower --foreground or check the intensity limits");
    shuffle(list, RandomSequence(options_.seed, RandomUse::order, sequence_index(epoch, 0, domain, 0)));
  }
  return static_cast<std::int64_t>(std::min(x_.size(), y_.size()));
}

void PatchSampler::read_pair(std::int64_t index, float* x, float* y) const {
  const auto read = [&](const Location& place, Domain domain, float* out) {
    const TrainingVolume& training = volumes_[static_cast<std::size_t>(place.volume)];
    read_patch(*training.volume, domain, place.slice, place.row, place.column, options_.patch, out);
    const int pixels = options_.patch * options_.patch;
    std::transform(out, out + pixels, out, [&](float voxel) { return training.intensity.forward(voxel); });
  };
  read(x_[static_cast<std::size_t>(index)], Domain::x, x);
  read(y_[static_cast<std::size_t>(index)], Domain::y, y);
}

}  // namespace clade
