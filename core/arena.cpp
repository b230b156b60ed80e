// SPDX-License-Identifier: Apache-2.0
#include "core/arena.h"

#include <algorithm>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace clade {

namespace {

constexpr std::size_t kAlignment = 256;
constexpr std::size_t kMinimumChunk = std::size_t{4} << 20;

// A real device's memory has no shadow, but no build for one has the sanitizer either.
#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t kGuard = 256;
void forbid(void* memory, std::size_t bytes) { ASAN_POISON_MEMORY_REGION(memory, bytes); }
void permit(void* memory, std::size_t bytes) { ASAN_UNPOISON_MEMORY_REGION(memory, bytes); }
#else
constexpr std::size_t kGuard = 0;
void forbid(void*, std::size_t) {}
void permit(void*, std::size_t) {}
#endif

}  // namespace

Arena::~Arena() { release(); }

Arena::Arena(Arena&& other) noexcept
    : device_(other.device_),
      checked_(other.checked_),
      chunks_(std::exchange(other.chunks_, {})),
      position_(std::exchange(other.position_, {})) {}

Arena& Arena::operator=(Arena&& other) noexcept {
  if (this != &other) {
    release();
    device_ = other.device_;
    checked_ = other.checked_;
    chunks_ = std::exchange(other.chunks_, {});
    position_ = std::exchange(other.position_, {});
  }
  return *this;
}

void Arena::release() noexcept {
  for (const Chunk& chunk : chunks_) {
    permit(chunk.memory, chunk.size);
    free_memory(device_, chunk.memory);
  }
  chunks_.clear();
}

void* Arena::allocate(std::size_t bytes) {
  const std::size_t reserved = (std::max<std::size_t>(bytes, 1) + kGuard + kAlignment - 1) / kAlignment * kAlignment;
  while (position_.chunk < chunks_.size() && position_.offset + reserved > chunks_[position_.chunk].size)
    position_ = {position_.chunk + 1, 0};
  if (position_.chunk == chunks_.size()) {
    const std::size_t size = std::max(reserved, kMinimumChunk);
    chunks_.push_back({static_cast<std::byte*>(allocate_memory(device_, size)), size});
    if (checked_) forbid(chunks_.back().memory, size);
  }
  void* block = chunks_[position_.chunk].memory + position_.offset;
  position_.offset += reserved;
  if (checked_) permit(block, bytes);
  return block;
}

void Arena::rewind(Mark mark) {
  for (std::size_t chunk = mark.chunk; checked_ && chunk < chunks_.size() && chunk <= position_.chunk; ++chunk) {
    const std::size_t from = chunk == mark.chunk ? mark.offset : 0;
    forbid(chunks_[chunk].memory + from, chunks_[chunk].size - from);
  }
  position_ = mark;
}

std::size_t Arena::capacity() const {
  std::size_t total = 0;
  for (const Chunk& chunk : chunks_) total += chunk.size;
  return total;
}

}  // namespace clade
