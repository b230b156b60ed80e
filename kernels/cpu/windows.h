// SPDX-License-Identifier: Apache-2.0
// Copies of an image's windows, and the adjoint: each works on a few windows or channels, in memory of one thread.
#pragma once

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/window_grid.h"

namespace clade::kernels::cpu {

/// Windows [first, first + count) of a phase, those of all samples numbered through; image is that of sample 0.
struct WindowRange {
  std::int64_t first, count;
};

/// The windows as rows of depth() values, `row_step` floats apart.
void unroll(const WindowGrid& grid, std::int64_t phase, const float* image, const WindowRange& range, float* rows,
            std::int64_t row_step);

/// Gradients of windows [phases][windows][taps][channels].
struct WindowRows {
  const float* data;
  std::int64_t row_step;    // from window to window
  std::int64_t phase_step;  // from phase to phase
};

struct ChannelRange {
  std::int64_t first, count;
};

/// image (=|+=) adjoint of unrolling one sample, for a range of its channels; then the epilogue.
void roll(const WindowGrid& grid, std::int64_t net, const WindowRows& rows, const ChannelRange& range,
          const Epilogue& epilogue, WriteMode mode, float* image);

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
