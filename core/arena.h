// SPDX-License-Identifier: Apache-2.0
// Bump allocation: a training step allocates the same blocks in the same order, so it gets the same addresses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/shape.h"

namespace clade {

/// Memory handed out in order and taken back all at once. Blocks are aligned to 256 bytes and not initialised.
class Arena {
 public:
  Arena() = default;
  ~Arena();
  Arena(Arena&&) noexcept;
  Arena& operator=(Arena&&) noexcept;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// `bytes` of memory that stay valid until `reset`, or `rewind` to an earlier mark.
  /// Throws Error(device) when the system has no memory left.
  void* allocate(std::size_t bytes);

  template <class T>
  View<T> view(const Shape& shape) {
    return View<T>(static_cast<T*>(allocate(static_cast<std::size_t>(shape.size()) * sizeof(T))), shape);
  }

  /// A position to come back to.
  struct Mark {
    std::size_t chunk = 0;
    std::size_t offset = 0;
  };
  Mark mark() const { return position_; }
  void rewind(Mark mark) { position_ = mark; }
  /// Forgets all blocks; the memory is kept for the next round.
  void reset() { position_ = {}; }

  /// Bytes held from the system.
  std::size_t capacity() const;

 private:
  struct Chunk {
    std::byte* memory;
    std::size_t size;
  };
  void release() noexcept;

  std::vector<Chunk> chunks_;
  Mark position_;
};

/// Takes the arena back to where it was, at the end of a scope.
class ArenaScope {
 public:
  explicit ArenaScope(Arena& arena) : arena_(arena), mark_(arena.mark()) {}
  ~ArenaScope() { arena_.rewind(mark_); }
  ArenaScope(const ArenaScope&) = delete;
  ArenaScope& operator=(const ArenaScope&) = delete;

 private:
  Arena& arena_;
  Arena::Mark mark_;
};

}  // namespace clade
