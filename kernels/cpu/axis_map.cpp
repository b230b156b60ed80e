// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/axis_map.h"

namespace clade::kernels::cpu {

AxisMap::AxisMap(int extent, int windows, int taps, int stride, int pad, PadMode mode)
    : windows_(windows), taps_(taps), contiguous_(static_cast<std::size_t>(windows), 1) {
  std::vector<std::vector<Reader>> readers(static_cast<std::size_t>(extent));
  sources_.reserve(static_cast<std::size_t>(windows * taps));
  for (int window = 0; window < windows; ++window) {
    const int start = window * stride - pad;
    for (int tap = 0; tap < taps; ++tap) {
      const int pixel = padded_index(start + tap, extent, mode);
      sources_.push_back(pixel);
      if (pixel < 0 || pixel != start + tap) contiguous_[static_cast<std::size_t>(window)] = 0;
      if (pixel >= 0) readers[static_cast<std::size_t>(pixel)].push_back({window, tap});
    }
  }
  first_reader_.push_back(0);
  for (const auto& list : readers) {
    readers_.insert(readers_.end(), list.begin(), list.end());
    first_reader_.push_back(readers_.size());
  }
}

}  // namespace clade::kernels::cpu
