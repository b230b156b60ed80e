// SPDX-License-Identifier: Apache-2.0
// Nearest x2 upsampling, reflect padding 1 and a 3x3 convolution, without the upsampled image: an output pixel reads
// only 2x2 source pixels, so each of the four output phases is a 2x2 convolution with summed taps (16 products in
// place of 36). Reflection of the doubled edge repeats the source edge, hence replicate padding. Channel counts
// that are multiples of 16 have a faster way (winograd_resampling.h).
#pragma once

#include "core/stream.h"
#include "kernels/conv_shape.h"
#include "kernels/cpu/epilogue.h"

namespace clade::kernels::cpu {

void resize_forward(Stream& stream, const ConvShape& shape, const float* x, const float* w, const Epilogue& epilogue,
                    float* y);
void resize_backward_input(Stream& stream, const ConvShape& shape, const float* dy, const float* w, WriteMode mode,
                           float* dx);
void resize_backward_weight(Stream& stream, const ConvShape& shape, const float* x, const float* dy, WriteMode mode,
                            float* dw);

}  // namespace clade::kernels::cpu
