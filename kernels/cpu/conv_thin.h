// SPDX-License-Identifier: Apache-2.0
// Direct convolutions from or to images of one channel. Their windows have as few values as there are taps, so most of
// the time would go into copying them:
//
//   expand     one channel to many: the values that meet a pixel at each tap, as rows of a product with the filters.
//   contract   many to one: all pixels are multiplied with all taps at once, and the results are shifted and added.
//
// Each is the adjoint of the other, so a layer and its input gradient take one of them each.
#pragma once

#include "core/stream.h"
#include "kernels/conv_shape.h"
#include "kernels/cpu/epilogue.h"

namespace clade::kernels::cpu {

/// Whether the input or the output has a single channel.
bool is_thin(const ConvShape& shape);

void thin_forward(Stream& stream, const ConvShape& shape, const float* x, const float* w, const Epilogue& epilogue,
                  float* y);
void thin_backward_input(Stream& stream, const ConvShape& shape, const float* dy, const float* w, WriteMode mode,
                         float* dx);
void thin_backward_weight(Stream& stream, const ConvShape& shape, const float* x, const float* dy, WriteMode mode,
                          float* dw);

}  // namespace clade::kernels::cpu
