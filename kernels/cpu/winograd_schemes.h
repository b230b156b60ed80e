// SPDX-License-Identifier: Apache-2.0
// Bilinear schemes that take fewer products than taps times outputs: Winograd's, and what becomes of them when the
// image was upsampled.
#pragma once

namespace clade::kernels::cpu {

// Schemes of a convolution along one axis, with kTaps taps: kOutputs values from kInputs pixels by way of kProducts
// products,   output = kOutput ((kWeight taps) . (kInput pixels)).   Both axes use the same scheme.

/// F(2, 3) of Lavin and Gray 2016; interpolation points 0, 1, -1.
struct TwoOutputs {
  static constexpr int kTaps = 3, kOutputs = 2, kInputs = 4, kProducts = 4;
  static constexpr bool kUpsamples = false;
  static constexpr float kInput[4][4] = {{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, 1, 0, -1}};
  static constexpr float kWeight[4][3] = {{1, 0, 0}, {0.5f, 0.5f, 0.5f}, {0.5f, -0.5f, 0.5f}, {0, 0, 1}};
  static constexpr float kOutput[2][4] = {{1, 1, 1, 0}, {0, 1, -1, -1}};
};

/// F(4, 3); interpolation points 0, 1, -1, 2, -2.
struct FourOutputs {
  static constexpr int kTaps = 3, kOutputs = 4, kInputs = 6, kProducts = 6;
  static constexpr bool kUpsamples = false;
  static constexpr float kInput[6][6] = {{4, 0, -5, 0, 1, 0},  {0, -4, -4, 1, 1, 0}, {0, 4, -4, -1, 1, 0},
                                         {0, -2, -1, 2, 1, 0}, {0, 2, -1, -2, 1, 0}, {0, 4, 0, -5, 0, 1}};
  static constexpr float kWeight[6][3] = {{1.0f / 4, 0, 0},
                                          {-1.0f / 6, -1.0f / 6, -1.0f / 6},
                                          {-1.0f / 6, 1.0f / 6, -1.0f / 6},
                                          {1.0f / 24, 1.0f / 12, 1.0f / 6},
                                          {1.0f / 24, -1.0f / 12, 1.0f / 6},
                                          {0, 0, 1}};
  static constexpr float kOutput[4][6] = {
      {1, 1, 1, 1, 1, 0}, {0, 1, -1, 2, -2, 0}, {0, 1, 1, 4, 4, 0}, {0, 1, -1, 8, -8, 1}};
};

/// F(2, 3) on an image that nearest upsampling doubles. A tile of its pixels is a, b, b, c, so that b - b, the third
/// product, is zero and falls away: three products for the two outputs a g0 + b (g1 + g2) and b (g0 + g1) + c g2.
struct TwoOutputsUpsampled {
  static constexpr int kTaps = 3, kOutputs = 2, kInputs = 3, kProducts = 3;
  static constexpr bool kUpsamples = true;
  static constexpr float kInput[3][3] = {{1, -1, 0}, {0, 1, 0}, {0, 1, -1}};
  static constexpr float kWeight[3][3] = {{1, 0, 0}, {1, 1, 1}, {0, 0, 1}};
  static constexpr float kOutput[2][3] = {{1, 1, 0}, {0, 1, -1}};
};

/// F(3, 4); interpolation points 0, 1, -1, 2, -2.
struct ThreeOutputsOfFourTaps {
  static constexpr int kTaps = 4, kOutputs = 3, kInputs = 6, kProducts = 6;
  static constexpr bool kUpsamples = false;
  static constexpr auto& kInput = FourOutputs::kInput;  // which the interpolation points alone determine
  static constexpr float kWeight[6][4] = {{1.0f / 4, 0, 0, 0},
                                          {-1.0f / 6, -1.0f / 6, -1.0f / 6, -1.0f / 6},
                                          {-1.0f / 6, 1.0f / 6, -1.0f / 6, 1.0f / 6},
                                          {1.0f / 24, 1.0f / 12, 1.0f / 6, 1.0f / 3},
                                          {1.0f / 24, -1.0f / 12, 1.0f / 6, -1.0f / 3},
                                          {0, 0, 0, 1}};
  static constexpr float kOutput[3][6] = {{1, 1, 1, 1, 1, 0}, {0, 1, -1, 2, -2, 0}, {0, 1, 1, 4, 4, 1}};
};

}  // namespace clade::kernels::cpu
