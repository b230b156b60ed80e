// SPDX-License-Identifier: Apache-2.0
// Direct convolution to one channel. Unrolling the windows would make a matrix k * k times as large as the image for a
// product of one column; instead every pixel is multiplied with all taps at once, and the results are shifted and
// added.
#pragma once

#include "core/stream.h"
#include "kernels/conv_shape.h"
#include "kernels/cpu/epilogue.h"

namespace clade::kernels::cpu {

void thin_forward(Stream& stream, const ConvShape& shape, const float* x, const float* w, const Epilogue& epilogue,
                  float* y);
void thin_backward_input(Stream& stream, const ConvShape& shape, const float* dy, const float* w, WriteMode mode,
                         float* dx);
void thin_backward_weight(Stream& stream, const ConvShape& shape, const float* x, const float* dy, WriteMode mode,
                          float* dw);

}  // namespace clade::kernels::cpu
