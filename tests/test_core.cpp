// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "core/arena.h"
#include "core/atomic_file.h"
#include "core/stream.h"
#include "core/log.h"
#include "core/parallel.h"
#include "core/shape.h"
#include "tests/support/errors.h"
#include "tests/support/temp_dir.h"

using namespace clade;
using clade::test::contains;
using clade::test::error_of;
using clade::test::TempDir;

TEST_CASE("errors carry a code and gather context from the inside out", "[core]") {
  const std::string message = error_of(ErrorCode::input, [] {
    with_context("outer", [] { with_context("inner", [] { fail(ErrorCode::input, "dim is ", 2); }); });
  });
  CHECK(message == "outer: inner: dim is 2");
  CHECK(with_context("unused", [] { return 7; }) == 7);
  CHECK_THROWS_AS(with_context("not ours", [] { throw std::runtime_error("x"); }), std::runtime_error);
}

TEST_CASE("a check fails with its message only when its condition does", "[core]") {
  CHECK_NOTHROW([] { CLADE_CHECK(1 + 1 == 2, ErrorCode::internal, "no"); }());
  CHECK(error_of(ErrorCode::usage, [] { CLADE_CHECK(false, ErrorCode::usage, "got ", 3); }) == "got 3");
}

TEST_CASE("shapes", "[core]") {
  const Shape shape{2, 3, 4};
  CHECK(shape.rank() == 3);
  CHECK(shape.size() == 24);
  CHECK(shape == Shape{2, 3, 4});
  CHECK_FALSE(shape == Shape{2, 3});
  CHECK_FALSE(shape == Shape{2, 3, 5});
  CHECK(Shape{}.size() == 1);
  CHECK(str(shape) == "[2, 3, 4]");
  CHECK(ceil_div(7, 3) == 3);
  CHECK(ceil_div(6, 3) == 2);
  error_of(ErrorCode::internal, [] { Shape{1, 1, 1, 1, 1, 1}; });
}

TEST_CASE("an arena gives aligned blocks that do not overlap", "[core]") {
  Arena arena;
  std::vector<std::pair<std::byte*, std::size_t>> blocks;
  for (std::size_t size : {1u, 300u, 5000000u, 256u, 90000000u, 7u}) {
    auto* block = static_cast<std::byte*>(arena.allocate(size));
    CHECK(reinterpret_cast<std::uintptr_t>(block) % 256 == 0);
    block[0] = block[size - 1] = std::byte{1};
    for (const auto& [other, other_size] : blocks) CHECK((block + size <= other || other + other_size <= block));
    blocks.emplace_back(block, size);
  }
}

TEST_CASE("an arena gives the same addresses again", "[core]") {
  Arena arena;
  void* first = arena.allocate(1000);
  const Arena::Mark mark = arena.mark();
  void* second = arena.allocate(100000);
  arena.rewind(mark);
  CHECK(arena.allocate(100000) == second);
  {
    ArenaScope scope(arena);
    arena.allocate(10);
  }
  const std::size_t capacity = arena.capacity();
  arena.reset();
  CHECK(arena.allocate(1000) == first);
  CHECK(arena.allocate(100000) == second);
  CHECK(arena.capacity() == capacity);
}

// Sanitizers end the program at such a request.
#ifndef CLADE_SANITIZED
TEST_CASE("an arena that cannot grow says so", "[core]") {
  Arena arena;
  error_of(ErrorCode::device, [&] { arena.allocate(std::size_t{1} << 60); });
}
#endif

TEST_CASE("a parallel loop calls every index once", "[core]") {
  for (int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    CHECK(pool.size() == threads);
    for (std::int64_t count : {0, 1, 3, 1000}) {
      std::vector<std::atomic<int>> calls(static_cast<std::size_t>(count));
      pool.parallel_for(count, [&](std::int64_t i) { ++calls[static_cast<std::size_t>(i)]; });
      for (const auto& call : calls) REQUIRE(call == 1);
    }
  }
  CHECK(default_thread_count() >= 1);
}

TEST_CASE("a thread of a parallel loop knows its number and what it takes next", "[core]") {
  for (int threads : {1, 4}) {
    ThreadPool pool(threads);
    for (std::int64_t count : {1, 3, 100}) {
      std::mutex mutex;
      std::vector<ThreadPool::Turn> turns;
      pool.parallel_turns(count, [&](const ThreadPool::Turn& turn) {
        std::lock_guard lock(mutex);
        turns.push_back(turn);
      });
      REQUIRE(turns.size() == static_cast<std::size_t>(count));
      std::int64_t last_of_shares = 0;
      for (const ThreadPool::Turn& turn : turns) {
        REQUIRE((turn.thread >= 0 && turn.thread < std::min<std::int64_t>(threads, count)));
        REQUIRE((turn.next == -1 || turn.next == turn.index + 1));
        if (turn.next == -1) ++last_of_shares;
      }
      CHECK(last_of_shares == std::min<std::int64_t>(threads, count));
    }
  }
}

TEST_CASE("threads of a parallel loop begin with neighbouring shares", "[core]") {
  constexpr int kThreads = 4;
  ThreadPool pool(kThreads);
  std::array<std::atomic<std::int64_t>, kThreads> first;
  for (auto& index : first) index = -1;
  pool.parallel_turns(100, [&](const ThreadPool::Turn& turn) {
    std::atomic<std::int64_t>& mine = first[static_cast<std::size_t>(turn.thread)];
    if (mine >= 0) return;
    mine = turn.index;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    const auto begun = [&] { return std::all_of(first.begin(), first.end(), [](const auto& i) { return i >= 0; }); };
    while (!begun() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  });
  for (std::int64_t thread = 0; thread < kThreads; ++thread) CHECK(first[static_cast<std::size_t>(thread)] == 25 * thread);
}

TEST_CASE("threads of a parallel loop take over the share of one that does not get on", "[core]") {
  ThreadPool pool(2);
  std::atomic<int> done = 0;
  bool taken_over = false;
  pool.parallel_for(10, [&](std::int64_t i) {
    if (i == 0) {
      const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
      while (done < 9 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
      taken_over = done == 9;
    } else {
      ++done;
    }
  });
  CHECK(taken_over);
}

TEST_CASE("an exception in a parallel loop reaches the caller and the pool goes on", "[core]") {
  ThreadPool pool(3);
  const auto body = [](std::int64_t i) {
    if (i == 0) fail(ErrorCode::numerical, "at 0");
  };
  CHECK(error_of(ErrorCode::numerical, [&] { pool.parallel_for(500, body); }) == "at 0");
  std::atomic<std::int64_t> sum = 0;
  pool.parallel_for(100, [&](std::int64_t i) { sum += i; });
  CHECK(sum == 4950);
}

#if defined(__x86_64__)
TEST_CASE("all threads treat denormals as the caller does", "[core]") {
  ThreadPool pool(4);
  const auto products_kept = [&] {
    std::atomic<int> kept = 0;
    pool.parallel_for(400, [&](std::int64_t) {
      volatile float small = 1e-38f, factor = 1e-3f;
      if (small * factor != 0) ++kept;
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    });
    return kept.load();
  };
  CHECK(products_kept() == 400);
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | _MM_FLUSH_ZERO_ON);
  const int kept = products_kept();
  _mm_setcsr(before);
  CHECK(kept == 0);
  CHECK(products_kept() == 400);
}
#endif

TEST_CASE("a file is replaced whole", "[core]") {
  const TempDir folder;
  const auto target = folder / "a.txt";
  test::write_bytes(target, "old");
  write_atomically(target, [&](const std::filesystem::path& temporary) {
    CHECK(temporary.parent_path() == folder.path());
    CHECK(temporary.extension() == ".txt");
    test::write_bytes(temporary, "new");
    CHECK(test::read_bytes(target) == "old");
  });
  CHECK(test::read_bytes(target) == "new");
  CHECK(folder.count() == 1);
}

TEST_CASE("a failed write leaves the old file and nothing else", "[core]") {
  const TempDir folder;
  const auto target = folder / "a.txt";
  test::write_bytes(target, "old");
  const auto write = [&] {
    write_atomically(target, [](const std::filesystem::path& temporary) {
      test::write_bytes(temporary, "half of it");
      fail(ErrorCode::numerical, "interrupted");
    });
  };
  CHECK(error_of(ErrorCode::numerical, write) == "interrupted");
  CHECK(test::read_bytes(target) == "old");
  CHECK(folder.count() == 1);
}

TEST_CASE("what a killed writer left is taken over, what another one writes is not touched", "[core]") {
  const TempDir folder;
  const auto target = folder / "a.txt";
  // Longer than what is written now.
  test::write_bytes(folder / ".tmp-a.txt", "left by a killed process");
  write_atomically(target, [&](const std::filesystem::path& temporary) {
    test::write_bytes(temporary, "new");
    const auto other = [&] { write_atomically(target, [](const std::filesystem::path&) { FAIL("two writers"); }); };
    CHECK(contains(error_of(ErrorCode::output, other), "a.txt: another process is writing it"));
  });
  CHECK(test::read_bytes(target) == "new");
  CHECK(folder.count() == 1);
}

TEST_CASE("writing where there is no folder fails", "[core]") {
  const TempDir folder;
  const auto write = [](const std::filesystem::path& temporary) { test::write_bytes(temporary, "x"); };
  error_of(ErrorCode::output, [&] { write_atomically(folder / "none/a.txt", write); });
}

TEST_CASE("logs go to their sink or nowhere", "[core]") {
  std::string seen;
  const Log log([&](LogLevel level, std::string_view text) { seen += str(static_cast<int>(level), ":", text, ";"); });
  log.warning("a", 1);
  log.info("b");
  log.debug("c");
  CHECK(seen == "1:a1;2:b;3:c;");
  CHECK_NOTHROW(Log().warning("dropped"));
}

TEST_CASE("devices print as they are named on the command line", "[core]") {
  CHECK(str(Device{}) == "cpu");
  CHECK(str(Device{DeviceType::cuda, 1}) == "cuda:1");
  ThreadPool pool(1);
  CHECK(Stream(Device{}, pool).device() == Device{});
  error_of(ErrorCode::device, [&] { Stream(Device{DeviceType::cuda, 9999}, pool); });
}
