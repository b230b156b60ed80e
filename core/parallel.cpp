// SPDX-License-Identifier: Apache-2.0
#include "core/parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <limits>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace clade {

namespace {

void pause_cpu() {
#if defined(__x86_64__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

// How this thread rounds and whether it flushes denormals; a caller that changed it gets the same from every thread.
#if defined(__x86_64__)
constexpr unsigned kExceptionFlags = 0x3f;
unsigned arithmetic_mode() { return _mm_getcsr() & ~kExceptionFlags; }
void set_arithmetic_mode(unsigned mode) { _mm_setcsr(mode); }
#else
unsigned arithmetic_mode() { return 0; }
void set_arithmetic_mode(unsigned) {}
#endif

// The indices of a loop that one thread begins with. A cache line of its own, as all threads take from it.
struct alignas(64) Share {
  std::atomic<std::int64_t> next{0};
  std::int64_t end = 0;
};

// A training step runs hundreds of short loops back to back; sleeping between them would cost more than they do.
constexpr int kSpins = 4000;

}  // namespace

int default_thread_count() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

struct ThreadPool::State {
  explicit State(int threads) : shares(static_cast<std::size_t>(threads)) {}
  // Also when the system refuses one of the threads.
  ~State() {
    {
      std::lock_guard lock(mutex);
      stop = true;
      generation.fetch_add(1);
    }
    wake.notify_all();
    for (std::thread& worker : workers) worker.join();
  }

  std::vector<std::thread> workers;
  std::mutex mutex;
  std::condition_variable wake;
  std::atomic<std::uint64_t> generation{0};
  std::atomic<bool> stop{false};

  // The current loop. Written before `generation` is advanced, read after it is seen to have advanced.
  Call call = nullptr;
  const void* context = nullptr;
  int takers = 0;  // threads that take part, those with a share
  unsigned mode = 0;
  std::vector<Share> shares;
  std::atomic<int> busy{0};
  std::mutex error_mutex;
  std::exception_ptr error;
  std::int64_t error_index = std::numeric_limits<std::int64_t>::max();

  void share_out(std::int64_t count) {
    takers = static_cast<int>(std::min<std::int64_t>(count, static_cast<std::int64_t>(shares.size())));
    for (std::int64_t i = 0; i < takers; ++i) {
      Share& share = shares[static_cast<std::size_t>(i)];
      share.next.store(i * count / takers, std::memory_order_relaxed);
      share.end = (i + 1) * count / takers;
    }
  }

  // The thread's own share, then what is left of the others'.
  void drain(int thread) {
    for (int i = 0; i < takers && thread < takers; ++i) {
      Share& share = shares[static_cast<std::size_t>((thread + i) % takers)];
      while (share.next.load(std::memory_order_relaxed) < share.end) {
        const std::int64_t index = share.next.fetch_add(1, std::memory_order_relaxed);
        if (index < share.end) run({index, index + 1 < share.end ? index + 1 : -1, thread});
      }
    }
  }

  void run(const Turn& turn) {
    try {
      call(context, turn);
    } catch (...) {
      std::lock_guard lock(error_mutex);
      if (turn.index < error_index) {
        error_index = turn.index;
        error = std::current_exception();
      }
    }
  }

  void work(int thread) {
    std::uint64_t seen = 0;
    for (;;) {
      for (int spin = 0; spin < kSpins && generation.load(std::memory_order_acquire) == seen; ++spin) pause_cpu();
      if (generation.load(std::memory_order_acquire) == seen) {
        std::unique_lock lock(mutex);
        wake.wait(lock, [&] { return generation.load() != seen; });
      }
      ++seen;
      if (stop) return;
      set_arithmetic_mode(mode);
      drain(thread);
      busy.fetch_sub(1, std::memory_order_release);
    }
  }
};

ThreadPool::ThreadPool(int threads)
    : threads_(threads > 0 ? threads : default_thread_count()), state_(std::make_unique<State>(threads_)) {
  state_->workers.reserve(static_cast<std::size_t>(threads_));
  for (int i = 1; i < threads_; ++i) state_->workers.emplace_back([state = state_.get(), i] { state->work(i); });
}

ThreadPool::~ThreadPool() = default;

void ThreadPool::run(std::int64_t count, Call call, const void* context) {
  if (count <= 0) return;
  State& state = *state_;
  state.call = call;
  state.context = context;
  state.share_out(count);
  state.mode = arithmetic_mode();
  state.error = nullptr;
  state.error_index = std::numeric_limits<std::int64_t>::max();
  if (threads_ > 1 && count > 1) {
    state.busy.store(threads_ - 1);
    {
      std::lock_guard lock(state.mutex);
      state.generation.fetch_add(1, std::memory_order_release);
    }
    state.wake.notify_all();
    state.drain(0);
    for (int spin = 0; state.busy.load(std::memory_order_acquire) != 0;) {
      if (++spin < kSpins) {
        pause_cpu();
      } else {
        std::this_thread::yield();
      }
    }
  } else {
    state.drain(0);
  }
  if (state.error) std::rethrow_exception(state.error);
}

}  // namespace clade
