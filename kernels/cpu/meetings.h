// SPDX-License-Identifier: Apache-2.0
// Which pixels of two images meet at which tap of a convolution, along one axis.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "kernels/cpu/axis_map.h"
#include "kernels/cpu/gemm.h"

namespace clade::kernels::cpu {

/// What the pixels of one of the images meet.
class Meetings {
 public:
  struct Meeting {
    int tap;
    int other;  ///< pixel of the other image
  };
  enum class Side { window, pixel };

  /// Of windows with the pixels that they read, or the reverse.
  Meetings(const AxisMap& map, int taps, Side side);

  std::span<const Meeting> of(int pixel) const {
    const auto i = static_cast<std::size_t>(pixel);
    return {meetings_.data() + begin_[i], begin_[i + 1] - begin_[i]};
  }
  /// Where a pixel meets `taps` neighbours, one at each tap: the first of them; -1 elsewhere.
  int first(int pixel) const { return first_[static_cast<std::size_t>(pixel)]; }
  /// Whether those neighbours meet the taps in reverse.
  bool falling() const { return falling_; }
  /// Pixels whose first neighbours are neighbours, too: all but the border, if the stride is 1.
  Range run() const { return run_; }

 private:
  std::vector<Meeting> meetings_;
  std::vector<std::size_t> begin_;
  std::vector<int> first_;
  bool falling_;
  Range run_{0, 0};
};

}  // namespace clade::kernels::cpu
