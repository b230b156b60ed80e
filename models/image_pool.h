// SPDX-License-Identifier: Apache-2.0
// Old fakes for the discriminators.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "io/safetensors.h"

namespace clade {

/// Keeps up to `capacity` fakes. While it fills, a new fake is stored and returned; afterwards it is returned as is or
/// swapped with a random stored one, with equal chance (Shrivastava et al. 2017, as used by Zhu et al. 2017).
class ImagePool {
 public:
  ImagePool(int capacity, int patch, std::uint64_t seed, std::uint32_t stream)
      : capacity_(capacity), patch_(patch), seed_(seed), stream_(stream) {}

  /// Writes to `shown` what the discriminator should see in place of `fake` (patch * patch values); `index` numbers the
  /// calls over the whole training.
  void exchange(std::uint64_t index, std::span<const float> fake, float* shown);

  /// Stored fakes [count, 1, patch, patch].
  HostTensor save() const;
  /// Throws Error(model) when the shape does not fit.
  void load(const HostTensor& images);

 private:
  int capacity_;
  int patch_;
  std::uint64_t seed_;
  std::uint32_t stream_;
  std::vector<float> images_;
};

}  // namespace clade
