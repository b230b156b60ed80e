// SPDX-License-Identifier: Apache-2.0
// gzip on several threads. Compressing a volume takes longer than making it on a GPU.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "core/parallel.h"

namespace clade {

/// Makes one ordinary gzip stream (RFC 1952) of blocks that are deflated in parallel, each with the 32 KiB before it as
/// its dictionary. The bytes do not depend on the number of threads.
class GzipEncoder {
 public:
  /// Receives the stream, piece by piece, in order.
  using Sink = std::function<void(const void* bytes, std::size_t size)>;

  /// Without a pool all happens on the calling thread.
  GzipEncoder(ThreadPool* pool, Sink sink);

  void write(const void* from, std::size_t size);
  /// Ends the stream; without this call it is incomplete.
  void finish();

 private:
  void deflate_pending(bool last);

  ThreadPool* pool_;
  Sink sink_;
  std::vector<unsigned char> pending_;  // up to kDictionary bytes that are done, then those to come
  std::size_t dictionary_ = 0;          // of them are done
  unsigned long checksum_;
  std::size_t total_ = 0;
};

}  // namespace clade
