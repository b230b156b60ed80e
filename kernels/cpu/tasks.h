// SPDX-License-Identifier: Apache-2.0
// Tasks that share out work by themselves, each thread with memory of its own.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "core/stream.h"

namespace clade::kernels::cpu {

/// body(task, a task that this thread may get next or -1, buffer) in parallel, with a buffer of `buffer_size` floats
/// for each thread, from the stream's scratch memory, that stays in its cache.
template <class Body>
void for_each_task(Stream& stream, std::int64_t tasks, std::int64_t buffer_size, const Body& body) {
  const std::int64_t workers = std::min<std::int64_t>(stream.pool().size(), tasks);
  const View<float> buffers = stream.scratch().view<float>({workers, ceil_div(buffer_size, 64) * 64});
  std::atomic<std::int64_t> next{0};
  stream.pool().parallel_for(workers, [&](std::int64_t worker) {
    for (std::int64_t task = next++; task < tasks; task = next++) {
      const std::int64_t guess = task + workers < tasks ? task + workers : -1;
      body(task, guess, buffers.data + worker * buffers.shape[1]);
    }
  });
}

}  // namespace clade::kernels::cpu
