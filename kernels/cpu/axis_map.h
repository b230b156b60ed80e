// SPDX-License-Identifier: Apache-2.0
// Which pixel of a line each tap of each window reads, and the reverse. Images are the product of two such lines, so
// padding, its adjoint and the reflect border all live in this small table.
#pragma once

#include <span>
#include <vector>

#include "kernels/conv_shape.h"

namespace clade::kernels::cpu {

class AxisMap {
 public:
  /// `windows` windows of `taps` pixels; window i starts at pixel i * stride - pad of a line of `extent` pixels.
  AxisMap(int extent, int windows, int taps, int stride, int pad, PadMode mode);
  /// Windows of `taps` pixels that are given, window by window, -1 for a zero.
  AxisMap(int extent, int taps, std::vector<int> sources);

  int windows() const { return windows_; }
  int extent() const { return static_cast<int>(first_reader_.size()) - 1; }

  /// The pixel that a tap reads, -1 for a zero.
  int source(int window, int tap) const { return sources_[static_cast<std::size_t>(window * taps_ + tap)]; }
  /// Those of all taps of a window.
  const int* sources(int window) const { return sources_.data() + window * taps_; }
  /// Whether the taps of the window read neighbouring pixels in order: one copy serves them all.
  bool contiguous(int window) const { return contiguous_[static_cast<std::size_t>(window)] != 0; }

  struct Reader {
    int window;
    int tap;
  };
  /// Those of all pixels, pixel by pixel.
  std::span<const Reader> readers() const { return readers_; }
  /// Every window and tap that reads the pixel, in a fixed order.
  std::span<const Reader> readers(int pixel) const {
    const auto i = static_cast<std::size_t>(pixel);
    return {readers_.data() + first_reader_[i], first_reader_[i + 1] - first_reader_[i]};
  }

 private:
  int windows_;
  int taps_;
  std::vector<int> sources_;
  std::vector<char> contiguous_;
  std::vector<Reader> readers_;
  std::vector<std::size_t> first_reader_;
};

}  // namespace clade::kernels::cpu
