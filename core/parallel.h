// SPDX-License-Identifier: Apache-2.0
// A fixed pool of threads for loops whose pieces are independent.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace clade {

/// Number of threads that `ThreadPool(0)` uses: the processors this process may run on.
int default_thread_count();

/// Runs loops on `threads` threads, the caller included. Each begins with a share of neighbouring indices, the same in
/// every loop of as many indices, so that it finds in its cache what it left there, and then helps others. Which
/// thread runs which index is therefore not defined, and a loop body must compute the same result for an index whoever
/// runs it; then results do not depend on the thread count.
class ThreadPool {
 public:
  /// threads <= 0 means default_thread_count().
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return threads_; }

  /// What a thread is given to do in a loop: an index, the next one of the same share, which it takes next if no other
  /// thread does, or -1 if there is none, and the thread's number, less than those of threads and of indices.
  struct Turn {
    std::int64_t index, next;
    int thread;
  };

  /// Calls body(i) once for every i in [0, count). Returns when all are done. If bodies throw, the exception of
  /// the lowest throwing index that was run is rethrown. Not reentrant: a body must not start a loop on the same pool.
  template <class Body>
  void parallel_for(std::int64_t count, const Body& body) {
    run(count, [](const void* context, const Turn& turn) { (*static_cast<const Body*>(context))(turn.index); }, &body);
  }

  /// The same for bodies that ask for more: body(turn).
  template <class Body>
  void parallel_turns(std::int64_t count, const Body& body) {
    run(count, [](const void* context, const Turn& turn) { (*static_cast<const Body*>(context))(turn); }, &body);
  }

 private:
  using Call = void (*)(const void* context, const Turn& turn);
  void run(std::int64_t count, Call call, const void* context);

  struct State;
  int threads_;
  std::unique_ptr<State> state_;
};

}  // namespace clade
