// SPDX-License-Identifier: Apache-2.0
// Loops over flat arrays and over columns of channels, cut by size only, so that sums do not depend on the threads.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <type_traits>

#include "core/stream.h"
#include "kernels/kernel_types.h"

namespace clade::kernels::cpu {

/// Elements of a flat array that one task works on: long enough to hide the hand-over, short enough to balance.
inline constexpr std::int64_t kFlatChunk = std::int64_t{1} << 14;

/// Calls body(begin, end) for chunks of [0, size) in parallel.
template <class Body>
void for_flat_chunks(Stream& stream, std::int64_t size, const Body& body) {
  stream.pool().parallel_for(ceil_div(size, kFlatChunk), [&](std::int64_t chunk) {
    body(chunk * kFlatChunk, std::min(size, (chunk + 1) * kFlatChunk));
  });
}

/// Sum of term(i) in double over [begin, end), in lanes that the compiler can keep in vectors.
template <class Term>
double lane_sum(std::int64_t begin, std::int64_t end, const Term& term) {
  constexpr int kSums = 16;
  std::array<double, kSums> lanes{};
  std::int64_t i = begin;
  for (; i + kSums <= end; i += kSums)
    for (int lane = 0; lane < kSums; ++lane) lanes[static_cast<std::size_t>(lane)] += term(i + lane);
  for (std::size_t half = kSums / 2; half > 0; half /= 2)
    for (std::size_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  double sum = lanes[0];
  for (; i < end; ++i) sum += term(i);
  return sum;
}

/// Sum over chunks of [0, size) of chunk_sum(begin, end), added in order.
template <class ChunkSum>
double sum_chunks(Stream& stream, std::int64_t size, std::int64_t chunk_size, const ChunkSum& chunk_sum) {
  const ArenaScope scope(stream.scratch());
  const View<double> partial = stream.scratch().view<double>({ceil_div(size, chunk_size)});
  stream.pool().parallel_for(partial.size(), [&](std::int64_t chunk) {
    partial[chunk] = chunk_sum(chunk * chunk_size, std::min(size, (chunk + 1) * chunk_size));
  });
  double sum = 0.0;
  for (std::int64_t chunk = 0; chunk < partial.size(); ++chunk) sum += partial[chunk];
  return sum;
}

/// Channels that one task reduces over pixels: a cache line of floats.
inline constexpr std::int64_t kChannelBlock = 16;

/// Calls body(outer, first channel, width) for all channel blocks of `outer_count` matrices in parallel. The width is a
/// compile-time constant for full blocks, so their inner loops become plain vector code.
template <class Body>
void for_channel_blocks(Stream& stream, std::int64_t outer_count, std::int64_t channels, const Body& body) {
  const std::int64_t blocks = ceil_div(channels, kChannelBlock);
  stream.pool().parallel_for(outer_count * blocks, [&](std::int64_t task) {
    const std::int64_t first = task % blocks * kChannelBlock;
    if (channels - first >= kChannelBlock) {
      body(task / blocks, first, std::integral_constant<std::int64_t, kChannelBlock>{});
    } else {
      body(task / blocks, first, channels - first);
    }
  });
}

using ChannelSums = std::array<double, kChannelBlock>;

inline void write(WriteMode mode, float value, float& target) {
  target = mode == WriteMode::overwrite ? value : target + value;
}

}  // namespace clade::kernels::cpu
