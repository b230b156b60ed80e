// SPDX-License-Identifier: Apache-2.0
// The threads of a block as fibers of one thread of the host: who runs, who waits for whom, and what they share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace clade::emulation {

struct Index3 {
  unsigned x = 0, y = 0, z = 0;
};

/// The index variables of the running thread.
struct ThreadIndices {
  Index3 thread, block, block_dim, grid_dim;
};
const ThreadIndices& indices();

/// Position of the running thread in its warp.
int lane();

/// Where in the source a thread waits: threads that meet must come from the same place.
struct Site {
  const char* file;
  int line;
};

/// __syncthreads: returns when all threads of the block that still run have called.
void sync_block(Site site);

/// The lanes of `mask` meet. The last one to arrive calls apply(arguments), arguments[lane] being what each brought;
/// then all go on.
void meet(std::uint32_t mask, Site site, void (*apply)(void* const* arguments, std::uint32_t mask), void* argument);

void* dynamic_shared();

/// Copies are made when they are waited for, not before: a missing wait shows.
void cp_async(void* shared, const void* global, std::size_t bytes, bool valid);
void cp_async_commit();
void cp_async_wait(int pending);

/// A product of tensor cores that a thread has asked for.
struct Product {
  float* d;
  std::uint32_t a[4];
  std::uint32_t b[2];
  bool bf16;
};
/// Those of the running thread that it has not waited for yet.
std::vector<Product>& pending_products();

/// Order in which threads and blocks that could run do run.
enum class Order { forward, reverse, random };
/// At first as CLADE_EMULATION_ORDER says: forward, reverse or random:SEED.
void set_order(Order order, std::uint64_t seed = 1);

/// Runs `kernel` once per thread. Throws Error(device) when threads meet at different places, wait for each other
/// forever or when the launch is beyond the limits of compute capability 8.6.
void run_grid(Index3 grid, Index3 block, std::size_t shared_bytes, const std::function<void()>& kernel);

}  // namespace clade::emulation
