// SPDX-License-Identifier: Apache-2.0
#include "core/arena.h"

#include <algorithm>
#include <new>
#include <utility>

namespace clade {

namespace {
constexpr std::size_t kAlignment = 256;
constexpr std::size_t kMinimumChunk = std::size_t{4} << 20;
}  // namespace

Arena::~Arena() { release(); }

Arena::Arena(Arena&& other) noexcept
    : chunks_(std::exchange(other.chunks_, {})), position_(std::exchange(other.position_, {})) {}

Arena& Arena::operator=(Arena&& other) noexcept {
  if (this != &other) {
    release();
    chunks_ = std::exchange(other.chunks_, {});
    position_ = std::exchange(other.position_, {});
  }
  return *this;
}

void Arena::release() noexcept {
  for (const Chunk& chunk : chunks_) ::operator delete(chunk.memory, std::align_val_t{kAlignment});
  chunks_.clear();
}

void* Arena::allocate(std::size_t bytes) {
  bytes = (std::max<std::size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
  while (position_.chunk < chunks_.size() && position_.offset + bytes > chunks_[position_.chunk].size)
    position_ = {position_.chunk + 1, 0};
  if (position_.chunk == chunks_.size()) {
    const std::size_t size = std::max(bytes, kMinimumChunk);
    auto* memory = static_cast<std::byte*>(::operator new(size, std::align_val_t{kAlignment}, std::nothrow));
    CLADE_CHECK(memory != nullptr, ErrorCode::device, "out of memory: ", size, " bytes asked for");
    chunks_.push_back({memory, size});
  }
  void* block = chunks_[position_.chunk].memory + position_.offset;
  position_.offset += bytes;
  return block;
}

std::size_t Arena::capacity() const {
  std::size_t total = 0;
  for (const Chunk& chunk : chunks_) total += chunk.size;
  return total;
}

}  // namespace clade
