// SPDX-License-Identifier: Apache-2.0
// Where the tiles of Winograd's convolutions lie, and in which array.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/conv_shape.h"

namespace clade::kernels::cpu {

/// The tiles of an image along one axis; windows begin one pixel before the image.
template <class Scheme>
class Axis {
 public:
  /// `extent` pixels become `outputs`.
  Axis(int extent, int outputs, PadMode mode)
      : outputs_(outputs), count_((outputs + Scheme::kOutputs - 1) / Scheme::kOutputs) {
    const int step = Scheme::kUpsamples ? 1 : Scheme::kOutputs;
    for (int t = 0; t < count_; ++t)
      for (int i = 0; i < Scheme::kInputs; ++i) {
        const int position = t * step + i - 1;
        // What lies further out than the border reaches only outputs that do not exist.
        sources_.push_back(position > extent ? -1 : padded_index(position, extent, mode));
      }
  }
  int tiles() const { return count_; }
  /// The kInputs pixels that a tile reads, -1 for a zero.
  const int* sources(int tile) const { return sources_.data() + tile * Scheme::kInputs; }
  /// Output i of a tile, -1 beyond the edge.
  int output(int tile, int i) const {
    const int position = tile * Scheme::kOutputs + i;
    return position < outputs_ ? position : -1;
  }

 private:
  int outputs_;
  int count_;
  std::vector<int> sources_;
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
