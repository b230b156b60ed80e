// SPDX-License-Identifier: Apache-2.0
// The weights of an output channel and sums over them, shared by demodulation and its fused update so that both add in
// the same order.
#pragma once

#include "kernels/cuda/loops.cuh"

namespace clade::kernels::cuda {

inline constexpr int kChannelThreads = 256;
/// Channels that a block takes where they are columns of the weights: eight floats fill a 32-byte sector of memory, and
/// narrow blocks are many.
inline constexpr int kTallWidth = 8;

/// Blocks that the channels of all nets need.
inline std::int64_t channel_blocks(OutputDimension dimension, std::int64_t nets, std::int64_t channels) {
  return dimension == OutputDimension::first ? nets * channels : nets * ceil_div(channels, kTallWidth);
}

/// A thread's share of one output channel: weights number begin, begin + kStep, ... of `fan`. A channel is a contiguous
/// row of the weights (OutputDimension::first, kWidth = 1: a block per channel) or a column of them (last, kTallWidth).
template <int kWidth>
struct Channel {
  static constexpr int kStep = kChannelThreads / kWidth;

  __device__ Channel(std::int64_t block, int channels, int fan_of_channel) : begin(threadIdx.x / kWidth) {
    const std::int64_t groups = (channels + kWidth - 1) / kWidth;
    const std::int64_t net = block / groups, in_net = block % groups * kWidth + threadIdx.x % kWidth;
    number = net * channels + in_net;
    offset = kWidth == 1 ? number * fan_of_channel : net * channels * fan_of_channel + in_net;
    stride = kWidth == 1 ? 1 : channels;
    fan = in_net < channels ? fan_of_channel : 0;
  }

  __device__ bool inside() const { return fan > 0; }
  /// Whether this thread writes what the channel has one of.
  __device__ bool leads() const { return inside() && begin == 0; }

  /// body(index of a weight), for the thread's weights.
  template <class Body>
  __device__ void for_each(const Body& body) const {
    for (std::int64_t i = begin; i < fan; i += kStep) body(offset + i * stride);
  }
  /// Sum of term(index of a weight) over the channel. All threads of the block must call.
  template <class Term>
  __device__ double sum(const Term& term) const {
    double own = 0.0;
    for_each([&](std::int64_t i) { own += term(i); });
    return column_sum<kChannelThreads, kWidth>(own);
  }

  std::int64_t number;  ///< of the channel, counted over the nets
  std::int64_t offset;  ///< of its first weight
  int stride;           ///< from a weight of the channel to the next
  int fan;              ///< 0 for a thread without a channel
  int begin;
};

__device__ inline double product(float a, float b) { return static_cast<double>(a) * static_cast<double>(b); }

/// The factor that brings an output channel with this sum of squares to unit norm.
__device__ inline float demodulation_scale(double sum_of_squares, float epsilon) {
  return static_cast<float>(1.0 / sqrt(sum_of_squares + static_cast<double>(epsilon)));
}

/// How many times a channel's weights its gradient loses: see demodulation_backward.
__device__ inline float demodulation_share(float scale, double inner) {
  return static_cast<float>(product(scale, scale) * inner);
}

}  // namespace clade::kernels::cuda
