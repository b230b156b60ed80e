// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

namespace clade::kernels::cpu {

/// The factor that brings an output channel with this sum of squares to unit norm.
inline float demodulation_scale(double sum_of_squares, float epsilon) {
  return static_cast<float>(1.0 / std::sqrt(sum_of_squares + epsilon));
}

/// How many times a channel's weights its gradient loses: see demodulation_backward.
inline float demodulation_share(float scale, double inner) {
  return static_cast<float>(static_cast<double>(scale) * scale * inner);
}

}  // namespace clade::kernels::cpu
