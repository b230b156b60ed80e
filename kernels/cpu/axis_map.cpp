// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/axis_map.h"

#include <utility>

namespace clade::kernels::cpu {

namespace {

std::vector<int> sources_of(int extent, int windows, int taps, int stride, int pad, PadMode mode) {
  std::vector<int> sources;
  sources.reserve(static_cast<std::size_t>(windows * taps));
  for (int window = 0; window < windows; ++window)
    for (int tap = 0; tap < taps; ++tap) sources.push_back(padded_index(window * stride - pad + tap, extent, mode));
  return sources;
}

}  // namespace

AxisMap::AxisMap(int extent, int windows, int taps, int stride, int pad, PadMode mode)
    : AxisMap(extent, taps, sources_of(extent, windows, taps, stride, pad, mode)) {}

AxisMap::AxisMap(int extent, int taps, std::vector<int> sources)
    : windows_(static_cast<int>(sources.size()) / taps),
      taps_(taps),
      sources_(std::move(sources)),
      contiguous_(static_cast<std::size_t>(windows_), 1),
      first_reader_(static_cast<std::size_t>(extent) + 1) {
  // Readers are counted, then sorted by pixel.
  for (const int pixel : sources_)
    if (pixel >= 0) ++first_reader_[static_cast<std::size_t>(pixel) + 1];
  for (std::size_t i = 1; i < first_reader_.size(); ++i) first_reader_[i] += first_reader_[i - 1];
  readers_.resize(first_reader_.back());
  std::vector<std::size_t> next(first_reader_.begin(), first_reader_.end() - 1);
  for (int window = 0; window < windows_; ++window)
    for (int tap = 0; tap < taps; ++tap) {
      const int pixel = source(window, tap);
      if (pixel >= 0) readers_[next[static_cast<std::size_t>(pixel)]++] = {window, tap};
      if (pixel < 0 || pixel != source(window, 0) + tap) contiguous_[static_cast<std::size_t>(window)] = 0;
    }
}

}  // namespace clade::kernels::cpu
