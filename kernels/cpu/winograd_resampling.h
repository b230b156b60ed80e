// SPDX-License-Identifier: Apache-2.0
// Convolutions that halve or double an image, with fewer multiplications: stride 2 and its adjoint, the transposed
// convolution, take 25 products for 36 of three taps and 36 for 64 of four; nearest upsampling before three taps takes
// 9 for 16 (winograd_schemes.h).
//
// Unlike those of winograd.h, filters are small next to images. So they are transformed once a call, and a task works
// on a few tiles whose transforms stay in the L2 cache of a core.
#pragma once

#include <span>

#include "core/stream.h"
#include "kernels/conv_shape.h"
#include "kernels/cpu/epilogue.h"
#include "kernels/cpu/winograd.h"

namespace clade::kernels::cpu {

/// Whether this convolution can go this way: stride 2, padding 1, three or four taps and an even number of outputs;
/// such a convolution's adjoint; or resize. Channel counts must be multiples of 16.
bool resamples(const ConvShape& shape);
/// Whether it can, and a pass is faster if it does.
bool resamples_faster(const ConvShape& shape, ConvPass pass);

/// For shapes that can.
void resampling_forward(Stream& stream, const ConvShape& shape, const float* x, const float* w,
                        const Epilogue& epilogue, float* y);
void resampling_backward_input(Stream& stream, const ConvShape& shape, const float* dy, const float* w, WriteMode mode,
                               float* dx);
/// shape.n is the number of samples of all uses together.
void resampling_backward_weight(Stream& stream, const ConvShape& shape, std::span<const ConvUse> uses, WriteMode mode,
                                float* dw);

}  // namespace clade::kernels::cpu
