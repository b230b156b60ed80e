// SPDX-License-Identifier: Apache-2.0
// The convolutions that tests and benchmarks run.
#pragma once

#include <vector>

#include "kernels/conv_shape.h"

namespace clade::test {

struct ConvCase {
  const char* name;
  kernels::ConvShape shape;
};

inline kernels::ConvShape direct(int nets, int n, int h, int w, int cin, int cout, int k, int stride, int pad,
                                 kernels::PadMode mode) {
  return {nets, n, h, w, cin, cout, k, stride, pad, mode, kernels::ConvKind::direct, 0};
}
inline kernels::ConvShape transposed(int nets, int n, int h, int w, int cin, int cout, int output_padding, int k = 3,
                                     int stride = 2, int pad = 1) {
  return {nets,          n, h, w, cin, cout, k, stride, pad, kernels::PadMode::zero, kernels::ConvKind::transposed,
          output_padding};
}
inline kernels::ConvShape resize(int nets, int n, int h, int w, int cin, int cout) {
  return {nets, n, h, w, cin, cout, 3, 1, 1, kernels::PadMode::reflect, kernels::ConvKind::resize, 0};
}

/// Odd sizes and channel counts that fill no tile, the smallest legal reflections, and every kind with several nets.
std::vector<ConvCase> edge_cases();

/// Enough samples, channels or depth that work is cut into several chunks and tiles, with rests. `small`: for the tiles
/// of the CUDA kernels only, at a cost that an emulated device can bear.
std::vector<ConvCase> tiled_cases(bool small);

/// The convolutions of one training step on patches of 32 x 32 (both nets in one call), with `base` channels in the
/// networks' first layers; 64 is the default of trainings.
std::vector<ConvCase> network_layers(int base, int n);

}  // namespace clade::test
