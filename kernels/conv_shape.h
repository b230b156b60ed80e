// SPDX-License-Identifier: Apache-2.0
// The arithmetic of every convolution of the project, shared by the reference, the CPU and the CUDA kernels.
#pragma once

#include <cstdint>

#include "core/shape.h"

namespace clade::kernels {

enum class PadMode {
  zero,
  reflect,   ///< mirror without repeating the edge: -1 -> 1
  replicate  ///< the edge again: -1 -> 0
};

enum class ConvKind {
  direct,      ///< cross-correlation, weights [nets, cout, k, k, cin]
  transposed,  ///< adjoint of the strided direct convolution (zero padding), weights [nets, cin, k, k, cout]
  resize       ///< nearest x2, reflect padding 1, then 3x3 direct, as four 2x2 phases; weights [nets, cout, 3, 3, cin]
};

/// One convolution. x: [nets, n, h, w, cin], y: [nets, n, out_h, out_w, cout], bias: [nets, cout].
struct ConvShape {
  int nets = 1;
  int n = 1;
  int h = 0;
  int w = 0;
  int cin = 0;
  int cout = 0;
  int k = 3;
  int stride = 1;
  int pad = 1;
  PadMode pad_mode = PadMode::zero;
  ConvKind kind = ConvKind::direct;
  int output_padding = 0;  ///< transposed only

  int out_extent(int in) const {
    switch (kind) {
      case ConvKind::transposed: return (in - 1) * stride - 2 * pad + k + output_padding;
      case ConvKind::resize: return 2 * in;
      case ConvKind::direct: break;
    }
    return (in + 2 * pad - k) / stride + 1;
  }
  int out_h() const { return out_extent(h); }
  int out_w() const { return out_extent(w); }

  Shape input() const { return {nets, n, h, w, cin}; }
  Shape output() const { return {nets, n, out_h(), out_w(), cout}; }
  Shape weight() const {
    return kind == ConvKind::transposed ? Shape{nets, cin, k, k, cout} : Shape{nets, cout, k, k, cin};
  }

  /// Throws Error(internal) for a shape that has no meaning (no output pixel, padding wider than reflection reaches).
  void check() const {
    CLADE_CHECK(nets > 0 && n > 0 && cin > 0 && cout > 0 && k > 0 && stride > 0 && pad >= 0, ErrorCode::internal,
                "convolution with an empty extent");
    CLADE_CHECK(h > 0 && w > 0 && out_h() > 0 && out_w() > 0, ErrorCode::internal, "convolution of a ", h, " x ", w,
                " image has no output");
    if (pad_mode == PadMode::reflect && kind == ConvKind::direct)
      CLADE_CHECK(h > pad && w > pad, ErrorCode::internal, "reflect padding ", pad, " needs more than ", pad,
                  " pixels, got ", h, " x ", w);
  }
};

/// One use of a convolution's weights: its input [nets, n, ...] and the gradient of its output.
struct ConvUse {
  View<const float> x;
  View<const float> dy;

  int samples() const { return static_cast<int>(x.shape[1]); }
  /// The shape of this use of a convolution.
  ConvShape of(ConvShape shape) const {
    shape.n = samples();
    return shape;
  }
};

/// The pixel that padded position `i` of a line of `extent` pixels reads, or -1 for a zero.
inline int padded_index(int i, int extent, PadMode mode) {
  if (i >= 0 && i < extent) return i;
  switch (mode) {
    case PadMode::reflect: return i < 0 ? -i : 2 * (extent - 1) - i;
    case PadMode::replicate: return i < 0 ? 0 : extent - 1;
    case PadMode::zero: break;
  }
  return -1;
}

}  // namespace clade::kernels
