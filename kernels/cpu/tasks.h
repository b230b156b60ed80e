// SPDX-License-Identifier: Apache-2.0
// Loops whose threads have memory of their own.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/stream.h"

namespace clade::kernels::cpu {

/// body(task, a task that this thread may get next or -1, buffer) in parallel, with a buffer of `buffer_size` floats
/// for each thread, from the stream's scratch memory, that stays in its cache.
template <class Body>
void for_each_task(Stream& stream, std::int64_t tasks, std::int64_t buffer_size, const Body& body) {
  const std::int64_t threads = std::min<std::int64_t>(stream.pool().size(), tasks);
  const View<float> buffers = stream.scratch().view<float>({threads, ceil_div(buffer_size, 64) * 64});
  stream.pool().parallel_turns(tasks, [&](const ThreadPool::Turn& turn) {
    body(turn.index, turn.next, buffers.data + turn.thread * buffers.shape[1]);
  });
}

}  // namespace clade::kernels::cpu
