// SPDX-License-Identifier: Apache-2.0
// Where the tiles of Winograd's convolutions lie, and in which array.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cpu/axis_map.h"

namespace clade::kernels::cpu {

/// The tiles of an image along one axis, as windows of the pixels that they read; the first begins one pixel before the
/// image.
template <class Scheme>
class Axis : public AxisMap {
 public:
  /// `extent` pixels become `outputs`.
  Axis(int extent, int outputs, PadMode mode)
      : AxisMap(extent, Scheme::kInputs, sources_of(extent, outputs, mode)), outputs_(outputs) {}
  int tiles() const { return windows(); }
  /// Output i of a tile, -1 beyond the edge.
  int output(int tile, int i) const {
    const int position = tile * Scheme::kOutputs + i;
    return position < outputs_ ? position : -1;
  }

 private:
  static std::vector<int> sources_of(int extent, int outputs, PadMode mode) {
    std::vector<int> sources;
    for (int tile = 0; tile * Scheme::kOutputs < outputs; ++tile)
      for (int i = 0; i < Scheme::kInputs; ++i) {
        const int position = tile * Scheme::kStep + i - 1;
        // What lies further out than the border reaches only outputs that do not exist.
        sources.push_back(position > extent ? -1 : padded_index(position, extent, mode));
      }
    return sources;
  }

  int outputs_;
};

/// The images [nets, n, h, w, channels] of one array or of several, whose samples are numbered through.
class Images {
 public:
  explicit Images(std::int64_t image_size) : image_size_(image_size) {}
  Images(const float* data, std::int64_t samples, std::int64_t image_size) : Images(image_size) { add(data, samples); }
  void add(const float* data, std::int64_t samples) {
    parts_.push_back({data, parts_.empty() ? 0 : parts_.back().end, samples});
    parts_.back().end = parts_.back().first + samples;
  }
  const float* at(std::int64_t net, std::int64_t sample) const {
    std::size_t part = 0;
    while (sample >= parts_[part].end) ++part;
    const Part& from = parts_[part];
    return from.data + (net * (from.end - from.first) + sample - from.first) * image_size_;
  }

 private:
  struct Part {
    const float* data;
    std::int64_t first, end;  // samples
  };
  std::int64_t image_size_;
  std::vector<Part> parts_;
};

}  // namespace clade::kernels::cpu
