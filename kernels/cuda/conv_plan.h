// SPDX-License-Identifier: Apache-2.0
// How a convolution is cut for the GPU: tiles, splits, and which taps a phase uses. Host code only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>

#include "core/stream.h"
#include "kernels/cuda/conv_index.cuh"
#include "kernels/cuda/epilogue.cuh"
#include "kernels/kernel_types.h"

namespace clade::kernels::cuda {

/// Blocks that keep a large GPU busy: two for each of 132 multiprocessors.
inline constexpr std::int64_t kTargetBlocks = 264;

/// In how many parts to cut a reduction of `steps` steps when its results make `tiles` blocks.
inline int choose_splits(std::int64_t tiles, std::int64_t steps) {
  constexpr std::int64_t kFewestSteps = 2;
  const std::int64_t wanted = kTargetBlocks / std::max<std::int64_t>(tiles, 1);
  return static_cast<int>(std::clamp<std::int64_t>(std::min(wanted, steps / kFewestSteps), 1, 32));
}

/// Whether all rows behind these pointers can be read 16 bytes at a time when they hold `counts` values.
inline bool is_vectorisable(std::initializer_list<const void*> pointers, std::initializer_list<int> counts) {
  for (const void* pointer : pointers)
    if (reinterpret_cast<std::uintptr_t>(pointer) % 16 != 0) return false;
  for (int count : counts)
    if (count % 4 != 0) return false;
  return true;
}

/// Taps k x k of one phase, tap (r, s) with weights at (r * k + s) * step.
Phases window_phases(const ConvShape& shape, int weight_step);
/// The adjoint: `rows` and `columns` are the windows' counts, `h` and `w` the image's; phases by stride where the
/// border rule allows it.
Phases reader_phases(const ConvShape& shape, int windows_h, int windows_w, int image_h, int image_w, int weight_step);

struct Gemm;
/// Runs the product, in float32 accuracy or TF32 as the stream says. depth_fastest: k_step is 1.
void run_gemm(Stream& stream, Gemm gemm, int nets, bool depth_fastest);

/// How many uses of a layer's weights share a launch.
inline constexpr int kMostUses = 2;

/// The gradient in the weights of one phase or all: features [nets, n, feature_h, feature_w, features] against windows
/// of images [nets, n, image_h, image_w, channels], both from one use of the weights or from several.
struct WeightGradient {
  struct Use {
    const float* image;
    const float* features;
    int n;
  };
  Use uses[kMostUses];  ///< samples are numbered through
  float* dweights;
  int n;  ///< of all uses
  int image_h, image_w, channels;
  int feature_h, feature_w, feature_count;
  std::int64_t net_weights;  ///< of a net in dweights
  int feature_step;          ///< from feature to feature in dweights; channels are contiguous
  WriteMode mode;
  int splits;
  float* partial;
  std::uint32_t* counters;
  Phases phases;  ///< window rules; phase (a, b) sees the features step * i + a
};
void run_weight_gradient(Stream& stream, WeightGradient problem, int nets);

// One channel on one side of a direct convolution: exact float32, without tensor cores (conv_thin.cu).
void thin_forward(Stream& stream, const ConvShape& shape, const float* x, const float* w, const Epilogue& epilogue,
                  float* y);
void thin_backward_input(Stream& stream, const ConvShape& shape, const float* dy, const float* w, WriteMode mode,
                         float* dx);
void thin_backward_weight(Stream& stream, const ConvShape& shape, const float* x, const float* dy, WriteMode mode,
                          float* dw);

// Nearest x2 upsampling and a 3x3 convolution, as phases with summed taps (conv_resize.cu).
void resize_forward(Stream& stream, const ConvShape& shape, const float* x, const float* w, const Epilogue& epilogue,
                    float* y);
void resize_backward_input(Stream& stream, const ConvShape& shape, const float* dy, const float* w, WriteMode mode,
                           float* dx);
void resize_backward_weight(Stream& stream, const ConvShape& shape, const float* x, const float* dy, WriteMode mode,
                            float* dw);

}  // namespace clade::kernels::cuda
