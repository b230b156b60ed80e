// SPDX-License-Identifier: Apache-2.0
// Copies of an image's windows, and the adjoint: each works on a few windows or channels, in memory of one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/window_grid.h"

namespace clade::kernels::cpu {

/// Some windows of a phase, those of all samples numbered through, as rows of depth() values, `row_step` floats apart;
/// image is that of sample 0.
void unroll(const WindowGrid& grid, std::int64_t phase, const float* image, const Range& windows, float* rows,
            std::int64_t row_step);

/// How values of windows lie in memory: [phases][windows][taps][channels], with so many floats from one to the next.
struct WindowSteps {
  std::int64_t phase, window, tap;
};

/// The adjoint of unrolling, for images of one sample.
class Roller {
 public:
  Roller(const WindowGrid& grid, const WindowSteps& steps);

  /// image (=|+=) sums of all values that were read from each pixel, for some channels of a net; then the epilogue.
  /// `values` begin with the first of those channels.
  void roll(const float* values, std::int64_t net, const Range& channels, const Epilogue& epilogue, WriteMode mode,
            float* image) const;

 private:
  /// Along one axis, where the values lie that were read from a pixel.
  class Readers {
   public:
    Readers(const AxisMap& map, std::int64_t window_step, std::int64_t tap_step);
    std::span<const std::int64_t> of(int pixel) const;

   private:
    std::vector<std::int64_t> offsets_;
    std::vector<std::size_t> first_;
  };
  struct Phase {
    std::int64_t offset;
    Readers rows, columns;
  };

  /// One or two readers of a pixel along one axis; the second has weight 0 where there is none.
  struct Pair {
    std::int64_t first, second;
    float weight;
  };
  /// Those of all pixels, or none if any pixel has another number of readers.
  static std::vector<Pair> pairs_of(const Readers& readers, int pixels);
  void roll_pairs(const float* values, std::int64_t net, const Range& channels, const Epilogue& epilogue,
                  WriteMode mode, float* image) const;

  const WindowGrid& grid_;
  std::vector<Phase> phases_;
  std::vector<Pair> rows_, columns_;
};

/// The windows as a right factor: row i of a panel has 16 values of window i, all of one tap, so the channels must be
/// a multiple of 16. The next parts are not asked for ahead: but for the first, all taps find their pixels in the
/// cache.
class WindowPanels : public Panels {
 public:
  WindowPanels(const WindowGrid& grid, std::int64_t phase, const float* image);
  RightFactor take(const Part& part, float* room) const override;

 private:
  const WindowGrid& grid_;
  std::int64_t phase_;
  const float* image_;
};

}  // namespace clade::kernels::cpu
