// SPDX-License-Identifier: Apache-2.0
// Naive double-precision versions of the kernels, written from their definitions and sharing no code with them.
#pragma once

#include <vector>

#include "kernels/conv_shape.h"
#include "kernels/kernel_types.h"

namespace clade::test {

using Doubles = std::vector<double>;
using Floats = std::vector<float>;

/// activation(conv(x, w) + bias); bias may be empty.
Doubles reference_conv_forward(const kernels::ConvShape& shape, const Floats& x, const Floats& w, const Floats& bias,
                               kernels::Activation activation);
Doubles reference_conv_backward_input(const kernels::ConvShape& shape, const Floats& dy, const Floats& w);
Doubles reference_conv_backward_weight(const kernels::ConvShape& shape, const Floats& x, const Floats& dy);

double reference_activation(kernels::Activation activation, double z);
/// Derivative in z.
double reference_activation_slope(kernels::Activation activation, double z);

/// x [count, h, w, c]; y = activation(normalised x).
Doubles reference_instance_norm(double epsilon, kernels::Activation activation, const Floats& x, int count, int pixels,
                                int channels);

/// Unnormalised Sobel derivatives of images [count, h, w], reflect border.
struct SobelMaps {
  Doubles x;
  Doubles y;
};
SobelMaps reference_sobel(const Doubles& images, int count, int h, int w);
double reference_sobel_l1(kernels::GradientForm form, const Doubles& r, const Doubles& y, int count, int h, int w);

}  // namespace clade::test
