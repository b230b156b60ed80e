// SPDX-License-Identifier: Apache-2.0
// Philox4x32-10, a counter-based generator: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011. A number is a pure function of (key, counter), so nothing has to be stored to resume.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

#include "core/host_device.h"

namespace clade {

struct PhiloxWords {
  std::uint32_t word[4];
};

/// One Philox4x32-10 block: 128 random bits from a 128-bit counter and a 64-bit key.
CLADE_HOST_DEVICE inline PhiloxWords philox4x32(PhiloxWords counter, std::uint32_t key0, std::uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * counter.word[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * counter.word[2];
    counter = {{static_cast<std::uint32_t>(p1 >> 32) ^ counter.word[1] ^ key0, static_cast<std::uint32_t>(p1),
                static_cast<std::uint32_t>(p0 >> 32) ^ counter.word[3] ^ key1, static_cast<std::uint32_t>(p0)}};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

/// What a random number is for; keeps the streams of one seed apart.
enum class RandomUse : std::uint32_t { weights = 1, patches = 2, order = 3, pool = 4, test = 5, fill = 6 };

/// The sequence of random numbers of (seed, use, index): cheap to make, nothing shared.
class RandomSequence {
 public:
  CLADE_HOST_DEVICE RandomSequence(std::uint64_t seed, RandomUse use, std::uint64_t index)
      : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
        counter_{{0, static_cast<std::uint32_t>(use), static_cast<std::uint32_t>(index),
                  static_cast<std::uint32_t>(index >> 32)}} {}

  CLADE_HOST_DEVICE std::uint32_t next_u32() {
    if (used_ == 4) {
      block_ = philox4x32(counter_, key_[0], key_[1]);
      ++counter_.word[0];
      used_ = 0;
    }
    return block_.word[used_++];
  }

  /// Uniform integer in [0, bound), bound > 0 (multiply-shift; the bias is below bound / 2^32).
  CLADE_HOST_DEVICE std::uint32_t next_below(std::uint32_t bound) {
    return static_cast<std::uint32_t>((std::uint64_t{next_u32()} * bound) >> 32);
  }

  /// Uniform in (0, 1).
  double next_uniform() { return (next_u32() + 0.5) * 0x1p-32; }

  /// Standard normal (Box-Muller).
  double next_normal() {
    const double radius = std::sqrt(-2.0 * std::log(next_uniform()));
    return radius * std::cos(2.0 * std::numbers::pi * next_uniform());
  }

 private:
  std::uint32_t key_[2];
  PhiloxWords counter_;
  PhiloxWords block_{};
  int used_ = 4;
};

}  // namespace clade
