// SPDX-License-Identifier: Apache-2.0
#include "tests/support/conv_cases.h"

namespace clade::test {

using kernels::ConvKind;
using kernels::ConvShape;
using kernels::PadMode;

std::vector<ConvCase> edge_cases() {
  return {
      {"1x1", direct(1, 1, 3, 5, 7, 3, 1, 1, 0, PadMode::zero)},
      {"1x1 to 25 channels", direct(1, 2, 3, 6, 128, 25, 1, 1, 0, PadMode::zero)},
      {"zero pad, from 25 channels", direct(1, 1, 5, 4, 25, 32, 3, 1, 1, PadMode::zero)},
      {"from one channel, zero pad 3x3", direct(1, 2, 4, 5, 1, 32, 3, 1, 1, PadMode::zero)},
      {"zero pad, odd", direct(2, 2, 7, 5, 3, 5, 3, 1, 1, PadMode::zero)},
      {"no pad, whole image", direct(1, 2, 4, 4, 3, 6, 4, 1, 0, PadMode::zero)},
      {"stride 2, odd", direct(2, 1, 9, 7, 5, 6, 3, 2, 1, PadMode::zero)},
      {"stride 2, 4x4", direct(2, 2, 8, 9, 1, 8, 4, 2, 1, PadMode::zero)},
      {"stride 3, reflect", direct(1, 1, 10, 11, 2, 3, 5, 3, 2, PadMode::reflect)},
      {"stride 4, pixels that no window reads", direct(1, 2, 9, 10, 4, 8, 2, 4, 0, PadMode::zero)},
      {"stride 2, whole vectors of channels", direct(2, 1, 8, 6, 8, 12, 3, 2, 1, PadMode::zero)},
      {"reflect 1 on 2x2", direct(2, 1, 2, 2, 4, 5, 3, 1, 1, PadMode::reflect)},
      {"reflect 3 on 4x4", direct(1, 2, 4, 4, 1, 9, 7, 1, 3, PadMode::reflect)},
      {"reflect, whole vectors of channels", direct(2, 1, 6, 5, 16, 24, 3, 1, 1, PadMode::reflect)},
      {"replicate on one pixel", direct(1, 1, 1, 1, 3, 4, 3, 1, 1, PadMode::replicate)},
      {"replicate", direct(1, 1, 4, 6, 3, 4, 5, 1, 2, PadMode::replicate)},
      {"to one channel, reflect 3 on 4x4", direct(1, 2, 4, 4, 5, 1, 7, 1, 3, PadMode::reflect)},
      {"to one channel, several nets", direct(3, 2, 9, 11, 35, 1, 7, 1, 3, PadMode::reflect)},
      {"to one channel, zero pad 4x4", direct(2, 2, 3, 3, 17, 1, 4, 1, 1, PadMode::zero)},
      {"to one channel, stride 2", direct(1, 1, 7, 6, 3, 1, 3, 2, 1, PadMode::zero)},
      {"one channel to one", direct(1, 1, 5, 4, 1, 1, 3, 1, 1, PadMode::reflect)},
      {"transposed", transposed(2, 2, 5, 4, 6, 5, 1)},
      {"transposed, no output padding", transposed(1, 1, 4, 3, 3, 7, 0)},
      {"transposed, one pixel", transposed(1, 1, 1, 1, 4, 3, 1)},
      {"transposed to one channel", transposed(1, 2, 3, 3, 4, 1, 1)},
      {"transposed, 1x1", transposed(2, 2, 3, 5, 4, 6, 0, 1, 1, 0)},
      {"transposed, stride 1", transposed(1, 1, 4, 5, 3, 2, 0, 3, 1, 0)},
      {"transposed, stride 3", transposed(1, 1, 3, 4, 2, 3, 2, 4, 3, 1)},
      {"transposed, whole vectors of channels", transposed(2, 1, 4, 3, 8, 12, 1)},
      {"resize", resize(2, 2, 4, 5, 6, 7)},
      {"resize, one pixel", resize(1, 1, 1, 1, 3, 2)},
      {"resize, one line", resize(1, 1, 1, 4, 3, 2)},
      {"resize to one channel", resize(1, 2, 3, 3, 5, 1)},
  };
}

std::vector<ConvCase> tiled_cases(bool small) {
  if (small) {
    return {
        {"deep sums of few pixels", direct(1, 1, 4, 4, 100, 36, 3, 1, 1, PadMode::reflect)},
        {"several tiles", direct(2, 2, 8, 8, 20, 68, 3, 1, 1, PadMode::reflect)},
        {"many pixels", direct(1, 1, 21, 20, 16, 3, 3, 1, 1, PadMode::zero)},
        {"to one channel, many pixels", direct(1, 2, 20, 20, 2, 1, 7, 1, 3, PadMode::reflect)},
        {"transposed, several tiles", transposed(2, 1, 6, 6, 72, 20, 1)},
        {"resize, several tiles", resize(1, 3, 8, 9, 4, 68)},
    };
  }
  return {
      {"several tiles", direct(2, 3, 8, 8, 80, 150, 3, 1, 1, PadMode::reflect)},
      {"several chunks", direct(1, 9, 32, 32, 16, 3, 3, 1, 1, PadMode::zero)},
      {"1x1, several chunks", direct(2, 5, 50, 60, 128, 25, 1, 1, 0, PadMode::zero)},
      {"deep sums of few pixels", direct(1, 1, 4, 4, 100, 36, 3, 1, 1, PadMode::reflect)},
      {"to one channel, several chunks", direct(1, 25, 32, 32, 2, 1, 7, 1, 3, PadMode::reflect)},
      {"transposed, several tiles", transposed(2, 3, 8, 8, 130, 76, 1)},
      {"strided, channels shared out", direct(1, 2, 13, 12, 64, 48, 3, 2, 1, PadMode::reflect)},
      {"transposed, channels shared out", transposed(1, 2, 6, 7, 48, 64, 1)},
      {"strided, several tasks", direct(2, 6, 20, 22, 48, 32, 4, 2, 1, PadMode::zero)},
      {"resize, several chunks", resize(1, 40, 16, 16, 3, 32)},
  };
}

std::vector<ConvCase> network_layers(int base, int n) {
  const auto generator = [&](int size, int cin, int cout, int k, int stride, ConvKind kind) {
    const PadMode mode = stride == 2 ? PadMode::zero : PadMode::reflect;
    return ConvShape{2, n, size, size, cin, cout, k, stride, k / 2, mode, kind, kind == ConvKind::transposed ? 1 : 0};
  };
  const auto critic = [&](int size, int cin, int cout, int stride) {
    return direct(2, n, size, size, cin, cout, 4, stride, 1, PadMode::zero);
  };
  return {
      {"stem", generator(32, 1, base, 7, 1, ConvKind::direct)},
      {"down 1", generator(32, base, 2 * base, 3, 2, ConvKind::direct)},
      {"down 2", generator(16, 2 * base, 4 * base, 3, 2, ConvKind::direct)},
      {"trunk", generator(8, 4 * base, 4 * base, 3, 1, ConvKind::direct)},
      {"up 1, transposed", generator(8, 4 * base, 2 * base, 3, 2, ConvKind::transposed)},
      {"up 2, transposed", generator(16, 2 * base, base, 3, 2, ConvKind::transposed)},
      {"up 1, resize", generator(8, 4 * base, 2 * base, 3, 1, ConvKind::resize)},
      {"up 2, resize", generator(16, 2 * base, base, 3, 1, ConvKind::resize)},
      {"head", generator(32, base, 1, 7, 1, ConvKind::direct)},
      {"critic 1", critic(32, 1, base, 2)},
      {"critic 2", critic(16, base, 2 * base, 2)},
      {"critic 3", critic(8, 2 * base, 4 * base, 2)},
      {"critic 4", critic(4, 4 * base, 8 * base, 1)},
      {"critic 5", critic(3, 8 * base, 1, 1)},
  };
}

}  // namespace clade::test
