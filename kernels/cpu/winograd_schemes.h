// SPDX-License-Identifier: Apache-2.0
// Bilinear schemes that take fewer products than taps times outputs: Winograd's, and what becomes of them when the
// image was upsampled.
#pragma once

namespace clade::kernels::cpu {

// Schemes of a convolution along one axis, with kTaps taps: kOutputs values from kInputs pixels by way of kProducts
// products,   output = kOutput (factors . (kInput pixels)),   where the factor of product p is row kFactorOf[p] of
// kWeight taps, kFactors rows in all. Tiles are kStep pixels apart. Both axes use the same scheme.

/// F(2, 3) of Lavin and Gray 2016; interpolation points 0, 1, -1.
struct TwoOutputs {
  static constexpr int kTaps = 3, kOutputs = 2, kInputs = 4, kProducts = 4;
  static constexpr bool kUpsamples = false;
  static constexpr int kStep = 2, kFactors = 4, kFactorOf[4] = {0, 1, 2, 3};
  static constexpr float kInput[4][4] = {{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, 1, 0, -1}};
  static constexpr float kWeight[4][3] = {{1, 0, 0}, {0.5f, 0.5f, 0.5f}, {0.5f, -0.5f, 0.5f}, {0, 0, 1}};
  static constexpr float kOutput[2][4] = {{1, 1, 1, 0}, {0, 1, -1, -1}};
};

/// F(4, 3); interpolation points 0, 1, -1, 2, -2.
struct FourOutputs {
  static constexpr int kTaps = 3, kOutputs = 4, kInputs = 6, kProducts = 6;
  static constexpr bool kUpsamples = false;
  static constexpr int kStep = 4, kFactors = 6, kFactorOf[6] = {0, 1, 2, 3, 4, 5};
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
  static constexpr int kStep = 1, kFactors = 3, kFactorOf[3] = {0, 1, 2};
  static constexpr float kInput[3][3] = {{1, -1, 0}, {0, 1, 0}, {0, 1, -1}};
  static constexpr float kWeight[3][3] = {{1, 0, 0}, {1, 1, 1}, {0, 0, 1}};
  static constexpr float kOutput[2][3] = {{1, 1, 0}, {0, 1, -1}};
};

/// Stride 2: the odd pixels, which one tap reads, are multiplied as they are; the even ones, which two taps read, by
/// F(2, 2) with interpolation points 0, 1 and infinity.
struct TwoOutputsOfStride2 {
  static constexpr int kTaps = 3, kOutputs = 2, kInputs = 5, kProducts = 5;
  static constexpr bool kUpsamples = false;
  static constexpr int kStep = 4, kFactors = 4, kFactorOf[5] = {0, 0, 1, 2, 3};
  static constexpr float kInput[5][5] = {
      {0, 1, 0, 0, 0}, {0, 0, 0, 1, 0}, {1, 0, -1, 0, 0}, {0, 0, 1, 0, 0}, {0, 0, -1, 0, 1}};
  static constexpr float kWeight[4][3] = {{0, 1, 0}, {1, 0, 0}, {1, 0, 1}, {0, 0, 1}};
  static constexpr float kOutput[2][5] = {{1, 0, 1, 1, 0}, {0, 1, 0, 1, 1}};
};

/// The same with four taps: two read the odd pixels, too.
struct TwoOutputsOfStride2FourTaps {
  static constexpr int kTaps = 4, kOutputs = 2, kInputs = 6, kProducts = 6;
  static constexpr bool kUpsamples = false;
  static constexpr int kStep = 4, kFactors = 6, kFactorOf[6] = {0, 1, 2, 3, 4, 5};
  static constexpr float kInput[6][6] = {{1, 0, -1, 0, 0, 0}, {0, 0, 1, 0, 0, 0}, {0, 0, -1, 0, 1, 0},
                                         {0, 1, 0, -1, 0, 0}, {0, 0, 0, 1, 0, 0}, {0, 0, 0, -1, 0, 1}};
  static constexpr float kWeight[6][4] = {{1, 0, 0, 0}, {1, 0, 1, 0}, {0, 0, 1, 0},
                                          {0, 1, 0, 0}, {0, 1, 0, 1}, {0, 0, 0, 1}};
  static constexpr float kOutput[2][6] = {{1, 1, 0, 1, 1, 0}, {0, 1, 1, 0, 1, 1}};
};

/// F(3, 4); interpolation points 0, 1, -1, 2, -2.
struct ThreeOutputsOfFourTaps {
  static constexpr int kTaps = 4, kOutputs = 3, kInputs = 6, kProducts = 6;
  static constexpr bool kUpsamples = false;
  static constexpr int kStep = 3, kFactors = 6, kFactorOf[6] = {0, 1, 2, 3, 4, 5};
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
