// SPDX-License-Identifier: Apache-2.0
// Which pixels a tap of a convolution reads, for the forward pass and for its adjoint, along one axis.
#pragma once

#include <cuda_runtime.h>

#include "core/host_device.h"
#include "kernels/conv_shape.h"

namespace clade::kernels::cuda {

/// Output pixel `o` of an axis and tap `t` read, of a source axis of `extent` pixels,
///   window   the pixel at o * stride - pad + t, after the border rule: one or none (forward pass)
///   reader   every window i with i * stride - pad + t = o, or equal to a position outside that the border rule maps to
///            o: the adjoint of `window`, whose image has `image` pixels
///   doubled  the four outputs of the resize convolution around pixel o (tap 0 to 3: 2 o - 1 to 2 o + 2), and those
///   that
///            read o through the repeated edge
struct AxisRule {
  enum class Kind { window, reader, doubled };
  Kind kind = Kind::window;
  int extent = 0;
  int image = 0;  ///< reader: extent of the axis whose gradient is gathered
  int stride = 1;
  int pad = 0;
  PadMode mode = PadMode::zero;

  /// The source if there is exactly one, kNone, or kSeveral where only for_each_source knows.
  static constexpr int kNone = -1;
  static constexpr int kSeveral = -2;
  CLADE_HOST_DEVICE int source(int o, int t) const {
    if (kind == Kind::window) return bordered(o * stride - pad + t, extent);
    if (kind == Kind::doubled) {
      if ((o == 0 && t == 3) || (2 * o + 2 == extent && t == 0)) return kSeveral;
      const int position = 2 * o - 1 + t;
      return position >= 0 && position < extent ? position : kNone;
    }
    const int direct = window_at(o + pad - t);
    if (mode == PadMode::zero) return direct;
    if (mode == PadMode::replicate) return o == 0 || o == image - 1 ? kSeveral : direct;
    const int before = o >= 1 && o <= pad ? window_at(pad - o - t) : kNone;
    const int behind = o <= image - 2 && o >= image - 1 - pad ? window_at(2 * (image - 1) - o + pad - t) : kNone;
    if (before == kNone && behind == kNone) return direct;
    return kSeveral;
  }

  /// body(source) for all of them, in a fixed order.
  template <class Body>
  CLADE_HOST_DEVICE void for_each_source(int o, int t, const Body& body) const {
    if (kind == Kind::window) return visit(bordered(o * stride - pad + t, extent), body);
    if (kind == Kind::doubled) {
      const int position = 2 * o - 1 + t;
      if (position >= 0 && position < extent) body(position);
      if (o == 0 && t == 3) body(0);
      if (2 * o + 2 == extent && t == 0) body(extent - 1);
      return;
    }
    // Positions inside and outside of the image that stand for o; there are `pad` outside on either side.
    for (int position = -pad; position < image + pad; ++position)
      if (bordered(position, image) == o) visit(window_at(position + pad - t), body);
  }

 private:
  CLADE_HOST_DEVICE int bordered(int position, int size) const {
    if (position >= 0 && position < size) return position;
    if (mode == PadMode::reflect) return position < 0 ? -position : 2 * (size - 1) - position;
    if (mode == PadMode::replicate) return position < 0 ? 0 : size - 1;
    return -1;
  }
  /// The window that starts at this position of the padded image.
  CLADE_HOST_DEVICE int window_at(int start) const {
    if (start < 0) return kNone;
    const int window = stride == 1 ? start : start / stride;
    return window * stride == start && window < extent ? window : kNone;
  }
  template <class Body>
  CLADE_HOST_DEVICE static void visit(int source, const Body& body) {
    if (source != kNone) body(source);
  }
};

/// A tap of a phase: where it looks and where its weights are.
struct Tap {
  short row = 0;
  short column = 0;
  int weights = 0;  ///< offset of its weights in those of a net
};

inline constexpr int kMostTaps = 64;
inline constexpr int kMostPhases = 16;

/// The outputs of a convolution fall into step x step phases (the pixels step * i + a), which use different taps.
struct Phases {
  int step = 1;
  int count = 1;
  bool count_inside = false;  ///< the rules count pixels of the phase (i), not of the image (step * i + a)
  int first_tap[kMostPhases + 1] = {};
  AxisRule rows[kMostPhases];
  AxisRule columns[kMostPhases];
  Tap taps[kMostTaps];

  CLADE_HOST_DEVICE int row_offset(int phase) const { return phase / step; }
  CLADE_HOST_DEVICE int column_offset(int phase) const { return phase % step; }
  /// What the rules take for pixel i of a phase with this offset.
  CLADE_HOST_DEVICE int coordinate(int i, int offset) const { return count_inside ? i : step * i + offset; }
  CLADE_HOST_DEVICE int tap_count(int phase) const { return first_tap[phase + 1] - first_tap[phase]; }
};

/// Pixels of an axis of `extent` that belong to the phase with this offset.
CLADE_HOST_DEVICE inline int phase_extent(int extent, int offset, int step) {
  return (extent - offset + step - 1) / step;
}

/// Calls body(row, column) for all sources of a tap.
template <class Body>
CLADE_HOST_DEVICE inline void for_each_source(const AxisRule& rows, const AxisRule& columns, int row, int column,
                                              const Tap& tap, const Body& body) {
  rows.for_each_source(row, tap.row,
                       [&](int r) { columns.for_each_source(column, tap.column, [&](int c) { body(r, c); }); });
}

}  // namespace clade::kernels::cuda
