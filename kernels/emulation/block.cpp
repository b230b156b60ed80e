// SPDX-License-Identifier: Apache-2.0
#include "kernels/emulation/block.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "kernels/emulation/fiber.h"

// The linker's names for the section of the shared arrays; null in a program without any.
extern "C" __attribute__((weak)) char __start_clade_shared[], __stop_clade_shared[];

namespace clade::emulation {

namespace {

constexpr int kWarp = 32;
// Of compute capability 8.6, the smallest we compile for.
constexpr unsigned kMaxThreads = 1024;
constexpr std::size_t kMaxShared = std::size_t{99} << 10;
constexpr std::uint32_t kPoison = 0xffffffffu;  // a NaN

struct Copy {
  void* to;
  const void* from;
  std::size_t bytes;
  bool valid;
};

struct Thread {
  std::unique_ptr<Fiber> fiber;
  ThreadIndices indices;
  int number = 0;
  Site waits_at{nullptr, 0};
  std::vector<std::vector<Copy>> copy_groups;  // the last one is open
  std::vector<Product> products;
};

/// Lanes that are about to meet.
struct Meeting {
  std::uint32_t mask = 0;
  std::uint32_t arrived = 0;
  Site site{};
  void* arguments[kWarp] = {};
};

struct OrderSetting {
  Order order = Order::forward;
  std::mt19937_64 random;

  OrderSetting() {
    const char* variable = std::getenv("CLADE_EMULATION_ORDER");
    const std::string_view text = variable ? variable : "";
    if (text == "reverse") order = Order::reverse;
    if (text.starts_with("random")) {
      order = Order::random;
      random.seed(text.starts_with("random:") ? std::stoull(std::string(text.substr(7))) : 1);
    }
  }

  template <class Container>
  void arrange(Container& items) {
    if (order == Order::reverse) std::reverse(items.begin(), items.end());
    if (order == Order::random) std::shuffle(items.begin(), items.end(), random);
  }
};

OrderSetting& order_setting() {
  static OrderSetting setting;
  return setting;
}

/// The block that is running. There is one at a time; its fibers are kept for the next one.
class Block {
 public:
  void run(const ThreadIndices& place, unsigned count, std::size_t shared_bytes, const std::function<void()>& kernel);

  Thread& current() { return *current_; }
  void* shared() { return shared_.data(); }
  void sync(Site site);
  void meet(std::uint32_t mask, Site site, void (*apply)(void* const*, std::uint32_t), void* argument);

 private:
  void suspend(Site site) {
    Thread& thread = *current_;
    thread.waits_at = site;
    thread.fiber->suspend();
    thread.waits_at = {nullptr, 0};
  }
  void make_ready(std::vector<int> numbers) {
    order_setting().arrange(numbers);
    ready_.insert(ready_.end(), numbers.begin(), numbers.end());
  }
  std::string describe(const Thread& thread) const;
  [[noreturn]] void report_deadlock();
  void release_barrier();
  void reset();

  std::deque<Thread> threads_;
  Thread* current_ = nullptr;
  unsigned live_ = 0;
  std::deque<int> ready_;
  std::vector<int> at_barrier_;
  Site barrier_site_{};
  std::vector<std::vector<Meeting>> meetings_;  // of each warp
  struct alignas(128) Line {
    std::uint32_t words[32];
  };
  std::vector<Line> shared_;
  std::exception_ptr failure_;
};

Block block;
std::mutex block_mutex;

/// Fills all static shared arrays of the program; only those of the kernel that comes now matter.
void poison_static_shared() {
  if (__start_clade_shared == nullptr) return;
  std::memset(__start_clade_shared, 0xff, static_cast<std::size_t>(__stop_clade_shared - __start_clade_shared));
}

bool same(Site a, Site b) { return a.line == b.line && (a.file == b.file || std::strcmp(a.file, b.file) == 0); }

std::string place_of(Site site) { return str(site.file, site.line > 0 ? str(":", site.line) : ""); }

std::string Block::describe(const Thread& thread) const {
  const ThreadIndices& i = thread.indices;
  return str("thread (", i.thread.x, ", ", i.thread.y, ", ", i.thread.z, ") of block (", i.block.x, ", ", i.block.y,
             ", ", i.block.z, ")");
}

void Block::run(const ThreadIndices& place, unsigned count, std::size_t shared_bytes,
                const std::function<void()>& kernel) {
  while (threads_.size() < count) {
    Thread thread;
    thread.fiber = std::make_unique<Fiber>();
    threads_.push_back(std::move(thread));
  }
  shared_.resize(shared_bytes / sizeof(Line) + 1);
  for (Line& line : shared_) std::fill(std::begin(line.words), std::end(line.words), kPoison);
  meetings_.assign((count + kWarp - 1) / kWarp, {});
  live_ = count;
  failure_ = nullptr;

  const std::function<void()> job = [&] {
    try {
      kernel();
    } catch (...) {
      if (!failure_) failure_ = std::current_exception();
    }
  };
  std::vector<int> all;
  for (unsigned i = 0; i < count; ++i) {
    Thread& thread = threads_[i];
    thread.indices = place;
    const Index3& size = place.block_dim;
    thread.indices.thread = {i % size.x, i / size.x % size.y, i / (size.x * size.y)};
    thread.number = static_cast<int>(i);
    thread.copy_groups.assign(1, {});
    thread.products.clear();
    thread.fiber->start(&job);
    all.push_back(thread.number);
  }
  make_ready(std::move(all));

  try {
    while (live_ > 0) {
      if (ready_.empty()) report_deadlock();
      current_ = &threads_[static_cast<std::size_t>(ready_.front())];
      ready_.pop_front();
      current_->fiber->resume();
      if (failure_) std::rethrow_exception(failure_);
      if (!current_->fiber->finished()) continue;
      CLADE_CHECK(current_->products.empty(), ErrorCode::device, "emulated kernel: ", describe(*current_),
                  " ends without waiting for its products");
      --live_;
      // Threads that have left no longer count.
      if (!at_barrier_.empty() && at_barrier_.size() == live_) release_barrier();
    }
  } catch (...) {
    reset();
    throw;
  }
}

// After a failure some fibers are stuck in the middle of the kernel; they are given up.
void Block::reset() {
  threads_.clear();
  ready_.clear();
  at_barrier_.clear();
  failure_ = nullptr;
}

void Block::report_deadlock() {
  std::string waiting;
  for (const Thread& thread : threads_)
    if (thread.waits_at.file != nullptr && waiting.size() < 1000)
      waiting += str("\n  ", describe(thread), " at ", place_of(thread.waits_at));
  fail(ErrorCode::device, "emulated kernel: threads wait for others that never come:", waiting);
}

void Block::release_barrier() { make_ready(std::exchange(at_barrier_, {})); }

void Block::sync(Site site) {
  if (at_barrier_.empty()) {
    barrier_site_ = site;
  } else {
    CLADE_CHECK(same(site, barrier_site_), ErrorCode::device, "emulated kernel: ", describe(*current_),
                " is at the barrier ", place_of(site), " while others wait at ", place_of(barrier_site_));
  }
  at_barrier_.push_back(current_->number);
  if (at_barrier_.size() == live_) release_barrier();
  suspend(site);
}

void Block::meet(std::uint32_t mask, Site site, void (*apply)(void* const*, std::uint32_t), void* argument) {
  const int own = current_->number % kWarp;
  const int first = current_->number - own;
  auto& meetings = meetings_[static_cast<std::size_t>(current_->number / kWarp)];
  CLADE_CHECK(mask >> own & 1u, ErrorCode::device, "emulated kernel: ", describe(*current_), " at ", place_of(site),
              " is not in the mask ", mask, " it calls with");
  auto meeting = std::find_if(meetings.begin(), meetings.end(), [&](const Meeting& m) { return (m.mask & mask) != 0; });
  if (meeting == meetings.end()) {
    meeting = meetings.insert(meetings.end(), Meeting{});
    meeting->mask = mask;
    meeting->site = site;
  }
  CLADE_CHECK(meeting->mask == mask && same(meeting->site, site), ErrorCode::device,
              "emulated kernel: ", describe(*current_), " is at ", place_of(site), " with mask ", mask,
              " while lanes of its warp wait at ", place_of(meeting->site), " with mask ", meeting->mask);
  meeting->arguments[own] = argument;
  meeting->arrived |= 1u << own;
  if (meeting->arrived != mask) return suspend(site);

  const Meeting complete = *meeting;
  meetings.erase(meeting);
  apply(complete.arguments, mask);
  std::vector<int> others;
  for (int lane = 0; lane < kWarp; ++lane)
    if (lane != own && mask >> lane & 1u) others.push_back(first + lane);
  make_ready(std::move(others));
}

}  // namespace

const ThreadIndices& indices() { return block.current().indices; }
int lane() { return block.current().number % kWarp; }
void sync_block(Site site) { block.sync(site); }
void meet(std::uint32_t mask, Site site, void (*apply)(void* const*, std::uint32_t), void* argument) {
  block.meet(mask, site, apply, argument);
}
std::vector<Product>& pending_products() { return block.current().products; }
void* dynamic_shared() { return block.shared(); }

void cp_async(void* shared, const void* global, std::size_t bytes, bool valid) {
  CLADE_CHECK(reinterpret_cast<std::uintptr_t>(shared) % bytes == 0 &&
                  (!valid || reinterpret_cast<std::uintptr_t>(global) % bytes == 0),
              ErrorCode::device, "emulated kernel: an asynchronous copy of ", bytes, " bytes is not aligned");
  block.current().copy_groups.back().push_back({shared, global, bytes, valid});
}

void cp_async_commit() { block.current().copy_groups.emplace_back(); }

void cp_async_wait(int pending) {
  auto& groups = block.current().copy_groups;
  while (static_cast<int>(groups.size()) - 1 > pending) {
    for (const Copy& copy : groups.front()) {
      if (copy.valid) {
        std::memcpy(copy.to, copy.from, copy.bytes);
      } else {
        std::memset(copy.to, 0, copy.bytes);
      }
    }
    groups.erase(groups.begin());
  }
}

void set_order(Order order, std::uint64_t seed) {
  order_setting().order = order;
  order_setting().random.seed(seed);
}

void run_grid(Index3 grid, Index3 block_size, std::size_t shared_bytes, const std::function<void()>& kernel) {
  const std::uint64_t threads = std::uint64_t{block_size.x} * block_size.y * block_size.z;
  CLADE_CHECK(threads > 0 && threads <= kMaxThreads && block_size.z <= 64, ErrorCode::device,
              "emulated kernel: a block of ", block_size.x, " x ", block_size.y, " x ", block_size.z, " threads");
  CLADE_CHECK(grid.x > 0 && grid.y > 0 && grid.z > 0 && grid.x <= 0x7fffffffu && grid.y <= 65535 && grid.z <= 65535,
              ErrorCode::device, "emulated kernel: a grid of ", grid.x, " x ", grid.y, " x ", grid.z, " blocks");
  CLADE_CHECK(shared_bytes <= kMaxShared, ErrorCode::device, "emulated kernel: ", shared_bytes,
              " bytes of shared memory");
  std::vector<std::uint64_t> order(std::uint64_t{grid.x} * grid.y * grid.z);
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  order_setting().arrange(order);
  const std::lock_guard lock(block_mutex);
  for (std::uint64_t i : order) {
    poison_static_shared();
    ThreadIndices place;
    place.grid_dim = grid;
    place.block_dim = block_size;
    place.block = {static_cast<unsigned>(i % grid.x), static_cast<unsigned>(i / grid.x % grid.y),
                   static_cast<unsigned>(i / grid.x / grid.y)};
    block.run(place, static_cast<unsigned>(threads), shared_bytes, kernel);
  }
}

}  // namespace clade::emulation
