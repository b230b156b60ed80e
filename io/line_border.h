// SPDX-License-Identifier: Apache-2.0
// How a line of samples goes on beyond its ends.
#pragma once

#include <cstdint>

namespace clade {

/// Half-sample symmetric: ... 1 0 | 0 1 ... size-1 | size-1 size-2 ...
inline int half_sample_reflected(std::int64_t index, int size) {
  const std::int64_t period = 2 * std::int64_t{size};
  const std::int64_t phase = ((index % period) + period) % period;
  return static_cast<int>(phase < size ? phase : period - 1 - phase);
}

}  // namespace clade
