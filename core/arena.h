// SPDX-License-Identifier: Apache-2.0
// Bump allocation: a training step allocates the same blocks in the same order, so it gets the same addresses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/device.h"
#include "core/shape.h"

namespace clade {

/// Memory of one device, handed out in order and taken back all at once. Blocks are aligned to 256 bytes and not
/// initialised. In builds with AddressSanitizer, memory that is not handed out may not be touched on the host, and a
/// guard of 256 bytes follows every block; that includes the memory of an emulated CUDA device.
class Arena {
 public:
  /// `checked` = false for blocks that a captured graph uses again after they were handed back.
  explicit Arena(Device device = {}, bool checked = true) : device_(device), checked_(checked) {}
  ~Arena();
  Arena(Arena&&) noexcept;
  Arena& operator=(Arena&&) noexcept;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  Device device() const { return device_; }

  /// `bytes` of memory that stay valid until `reset`, or `rewind` to an earlier mark.
  /// Throws Error(device) when there is no memory left.
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
  void rewind(Mark mark);
  /// Forgets all blocks; the memory is kept for the next round.
  void reset() { rewind({}); }

  /// Bytes held from the system.
  std::size_t capacity() const;

 private:
  struct Chunk {
    std::byte* memory;
    std::size_t size;
  };
  void release() noexcept;

  Device device_;
  bool checked_ = true;
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
