// SPDX-License-Identifier: Apache-2.0
#include "models/image_pool.h"

#include <algorithm>

#include "core/philox.h"

namespace clade {

void ImagePool::exchange(std::uint64_t index, std::span<const float> fake, float* shown) {
  const std::size_t stored = images_.size() / fake.size();
  std::copy(fake.begin(), fake.end(), shown);
  if (stored < static_cast<std::size_t>(capacity_)) {
    images_.insert(images_.end(), fake.begin(), fake.end());
    return;
  }
  RandomSequence random(seed_ + stream_, RandomUse::pool, index);
  if (random.next_below(2) == 0) return;
  const auto chosen = random.next_below(static_cast<std::uint32_t>(stored));
  std::swap_ranges(shown, shown + fake.size(), images_.begin() + static_cast<std::ptrdiff_t>(chosen * fake.size()));
}

HostTensor ImagePool::save() const {
  const std::int64_t pixels = std::int64_t{patch_} * patch_;
  return {{static_cast<std::int64_t>(images_.size()) / pixels, 1, patch_, patch_}, images_};
}

void ImagePool::load(const HostTensor& images) {
  CLADE_CHECK(images.shape.size() == 4 && images.shape[0] <= capacity_ && images.shape[1] == 1 &&
                  images.shape[2] == patch_ && images.shape[3] == patch_,
              ErrorCode::model, "the image pool does not fit this configuration");
  images_ = images.values;
}

}  // namespace clade
