// SPDX-License-Identifier: Apache-2.0
// Convolution of stride 1 with fewer multiplications: Winograd's F(2x2, 3x3), F(4x4, 3x3) and F(3x3, 4x4) (Lavin and
// Gray, "Fast algorithms for convolutional neural networks", CVPR 2016). With k x k taps g and tiles d of (m + k - 1)^2
// pixels, every m pixels,
//
//   Y = A^T [ (G g G^T) . (B^T d B) ] A        m x m outputs from (m + k - 1)^2 products, not (m k)^2.
//
// The gradients are the adjoints of the three transforms around the same products, so any border rule of the forward
// pass is right backward too: tiles are gathered and scattered through one index map.
#pragma once

#include <span>

#include "core/stream.h"
#include "kernels/conv_shape.h"
#include "kernels/cpu/epilogue.h"

namespace clade::kernels::cpu {

enum class ConvPass { forward, backward_input, backward_weight };

/// Side m of the output tiles that make a pass of this convolution fastest, 0 for: not this way.
int winograd_tile(const ConvShape& shape, ConvPass pass);

/// Stride 1, padding 1, channel counts that are multiples of 16. `tile` is 2 or 4 for 3x3 taps, 3 for 4x4 taps.
void winograd_forward(Stream& stream, const ConvShape& shape, int tile, const float* x, const float* w,
                      const Epilogue& epilogue, float* y);
void winograd_backward_input(Stream& stream, const ConvShape& shape, int tile, const float* dy, const float* w,
                             WriteMode mode, float* dx);
/// shape.n is the number of samples of all uses together.
void winograd_backward_weight(Stream& stream, const ConvShape& shape, int tile, std::span<const ConvUse> uses,
                              WriteMode mode, float* dw);

}  // namespace clade::kernels::cpu
