// SPDX-License-Identifier: Apache-2.0
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include "kernels/cuda/intrinsics.cuh"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/mma.cuh"
#include "tests/support/catch.h"

using namespace clade;
using namespace clade::kernels::cuda;

namespace {

// A stream on the emulated device and memory on it.
struct Fixture {
  Fixture() : stream({DeviceType::cuda, 0}, pool), arena(stream.device()) {}
  ~Fixture() { emulation::set_order(emulation::Order::forward); }

  View<float> put(const std::vector<float>& values) {
    const View<float> view = arena.view<float>({static_cast<std::int64_t>(values.size())});
    stream.copy_to_device(view.data, values.data(), values.size() * sizeof(float));
    return view;
  }
  std::vector<float> get(View<float> view) {
    std::vector<float> values(static_cast<std::size_t>(view.size()));
    stream.copy_to_host(values.data(), view.data, values.size() * sizeof(float));
    return values;
  }

  ThreadPool pool{1};
  Stream stream;
  Arena arena;
};

std::vector<float> counting(int size, int period = 1 << 20) {
  std::vector<float> values;
  for (int i = 0; i < size; ++i) values.push_back(static_cast<float>(i % period));
  return values;
}

template <class Call>
std::string message_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::device);
    return error.what();
  }
  return "";
}

// How a process ends that makes this call.
template <class Call>
int signal_of(const Call& call) {
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGSEGV, SIG_DFL);  // not the test runner's report
    if (freopen("/dev/null", "w", stderr) != nullptr) call();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

__global__ void sum_kernel(const float* x, int size, float* partial, std::uint32_t* counter, float* result) {
  double sum = 0.0;
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < static_cast<unsigned>(size); i += gridDim.x * blockDim.x)
    sum += static_cast<double>(x[i]);
  sum = block_sum<128>(sum);
  if (threadIdx.x == 0) partial[blockIdx.x] = static_cast<float>(sum);
  if (!last_block(counter, gridDim.x) || threadIdx.x != 0) return;
  double total = 0.0;
  for (unsigned i = 0; i < gridDim.x; ++i) total += static_cast<double>(partial[i]);
  *result = static_cast<float>(total);
}

// Each thread reads what its neighbour wrote; `synchronised` or not.
__global__ void turn_kernel(float* x, bool synchronised) {
  __shared__ float values[64];
  values[threadIdx.x] = x[threadIdx.x];
  if (synchronised) __syncthreads();
  x[threadIdx.x] = values[(threadIdx.x + 1) % 64];
}

__global__ void divergent_kernel(float* x) {
  if (threadIdx.x < 20) {
    __syncthreads();
    x[threadIdx.x] = 1.0f;
  } else {
    __syncthreads();
  }
}

__global__ void absent_kernel(float* x) {
  if (threadIdx.x < 20) __syncwarp();
  x[threadIdx.x] = 1.0f;
}

__global__ void foreign_mask_kernel(float* x) { x[threadIdx.x] = __shfl_sync(0x0fu, x[threadIdx.x], 0); }

__global__ void half_warp_kernel(float* x) {
  if (threadIdx.x % 2 == 0) x[threadIdx.x] = __shfl_sync(0x55555555u, x[threadIdx.x], 4);
}

__global__ void copy_kernel(const float* from, float* to, bool waits) {
  float* shared = shared_memory<float>();
  cp_async4(shared + threadIdx.x, from + threadIdx.x, threadIdx.x < 40);
  cp_async_commit();
  if (waits) cp_async_wait<0>();
  __syncthreads();
  to[threadIdx.x] = shared[threadIdx.x];
}

__global__ void write_kernel(float* x, int index) { x[index] = 1.0f; }

__global__ void product_kernel(const float* a, const float* b, float* d) {
  const int g = static_cast<int>(threadIdx.x) / 4, t = static_cast<int>(threadIdx.x) % 4;
  const std::uint32_t left[4] = {to_tf32(a[g * 8 + t]), to_tf32(a[(g + 8) * 8 + t]), to_tf32(a[g * 8 + t + 4]),
                                 to_tf32(a[(g + 8) * 8 + t + 4])};
  const std::uint32_t right[2] = {to_tf32(b[t * 8 + g]), to_tf32(b[(t + 4) * 8 + g])};
  float sums[4] = {};
  mma_tf32(sums, left, right);
  mma_wait();
  for (int i = 0; i < 4; ++i) d[(g + 8 * (i / 2)) * 8 + 2 * t + i % 2] = sums[i];
}

__device__ std::uint32_t pair_of(const float* low, const float* high) {
  return __float_as_uint(*low) >> 16 | (__float_as_uint(*high) & 0xffff0000u);
}

// a [16][16], b [16][8]; a goes through shared memory and ldmatrix.
__global__ void product_bf16_kernel(const float* a, const float* b, float* d) {
  const int lane = static_cast<int>(threadIdx.x), g = lane / 4, t = lane % 4;
  auto* shared = shared_memory<std::uint32_t>();  // [16][8] pairs
  for (int i = lane; i < 128; i += 32) shared[i] = pair_of(a + 2 * i, a + 2 * i + 1);
  __syncwarp();
  std::uint32_t left[4];
  ldmatrix_x4(left, shared + (lane % 8 + lane / 8 % 2 * 8) * 8 + lane / 16 * 4);
  const std::uint32_t right[2] = {pair_of(b + 2 * t * 8 + g, b + (2 * t + 1) * 8 + g),
                                  pair_of(b + (2 * t + 8) * 8 + g, b + (2 * t + 9) * 8 + g)};
  float sums[4] = {};
  mma_bf16(sums, left, right);
  mma_wait();
  for (int i = 0; i < 4; ++i) d[(g + 8 * (i / 2)) * 8 + 2 * t + i % 2] = sums[i];
}

std::vector<float> plain_product(const std::vector<float>& a, const std::vector<float>& b, int depth) {
  std::vector<float> d(128);
  for (int row = 0; row < 16; ++row)
    for (int column = 0; column < 8; ++column)
      for (int k = 0; k < depth; ++k)
        d[static_cast<std::size_t>(row * 8 + column)] +=
            a[static_cast<std::size_t>(row * depth + k)] * b[static_cast<std::size_t>(k * 8 + column)];
  return d;
}

std::vector<float> small_integers(int size, int period) {
  std::vector<float> values = counting(size, period);
  for (float& value : values) value -= static_cast<float>(period / 2);
  return values;
}

}  // namespace

TEST_CASE("emulation: a reduction over blocks, in every order", "[emulation]") {
  Fixture f;
  const auto order = GENERATE(emulation::Order::forward, emulation::Order::reverse, emulation::Order::random);
  emulation::set_order(order, 5);
  const std::vector<float> values = counting(1000);
  const View<float> x = f.put(values), partial = f.put(counting(6)), result = f.put({0});
  for (int repeat = 0; repeat < 2; ++repeat) {  // the counter is left at zero
    launch(f.stream, sum_kernel, dim3(6), dim3(128), 0, x.data, 1000, partial.data, f.stream.counters(), result.data);
    CHECK(f.get(result)[0] == 999 * 500);
  }
}

TEST_CASE("emulation: a missing barrier gives wrong values in some order", "[emulation]") {
  Fixture f;
  std::vector<float> expected = counting(64);
  std::rotate(expected.begin(), expected.begin() + 1, expected.end());
  const auto turned = [&](emulation::Order order, bool synchronised) {
    emulation::set_order(order, 2);
    const View<float> x = f.put(counting(64));
    launch(f.stream, turn_kernel, dim3(1), dim3(64), 0, x.data, synchronised);
    return f.get(x) == expected;
  };
  for (auto order : {emulation::Order::forward, emulation::Order::reverse, emulation::Order::random})
    CHECK(turned(order, true));
  CHECK_FALSE((turned(emulation::Order::forward, false) && turned(emulation::Order::random, false)));
}

TEST_CASE("emulation: threads that cannot meet are reported with their places", "[emulation]") {
  Fixture f;
  const View<float> x = f.put(counting(32));
  const auto run = [&](auto kernel) {
    return message_of([&] { launch(f.stream, kernel, dim3(1), dim3(32), 0, x.data); });
  };
  const std::string divergent = run(divergent_kernel);
  CHECK(divergent.find("thread (20, 0, 0)") != std::string::npos);
  CHECK(divergent.find("test_emulation.cu") != std::string::npos);
  CHECK(run(absent_kernel).find("never come") != std::string::npos);
  CHECK(run(foreign_mask_kernel).find("not in the mask") != std::string::npos);
  // The device works on after a failure.
  launch(f.stream, turn_kernel, dim3(1), dim3(64), 0, f.put(counting(64)).data, true);
}

TEST_CASE("emulation: half a warp exchanges values by itself", "[emulation]") {
  Fixture f;
  const View<float> x = f.put(counting(32));
  launch(f.stream, half_warp_kernel, dim3(1), dim3(32), 0, x.data);
  const std::vector<float> result = f.get(x);
  for (int i = 0; i < 32; ++i) CHECK(result[static_cast<std::size_t>(i)] == static_cast<float>(i % 2 == 0 ? 4 : i));
}

TEST_CASE("emulation: asynchronous copies happen when they are waited for", "[emulation]") {
  Fixture f;
  const View<float> from = f.put(counting(64)), to = f.put(counting(64));
  launch(f.stream, copy_kernel, dim3(1), dim3(64), 64 * sizeof(float), from.data, to.data, true);
  std::vector<float> expected = counting(64);
  std::fill(expected.begin() + 40, expected.end(), 0.0f);
  CHECK(f.get(to) == expected);
  launch(f.stream, copy_kernel, dim3(1), dim3(64), 64 * sizeof(float), from.data, to.data, false);
  for (float value : f.get(to)) CHECK(std::isnan(value));
}

TEST_CASE("emulation: products of tensor cores", "[emulation]") {
  Fixture f;
  const std::vector<float> a = small_integers(128, 7), b = small_integers(64, 5);
  const View<float> d = f.put(counting(128));
  launch(f.stream, product_kernel, dim3(1), dim3(32), 0, f.put(a).data, f.put(b).data, d.data);
  CHECK(f.get(d) == plain_product(a, b, 8));

  const std::vector<float> wide = small_integers(256, 9), tall = small_integers(128, 11);
  launch(f.stream, product_bf16_kernel, dim3(1), dim3(32), 512, f.put(wide).data, f.put(tall).data, d.data);
  CHECK(f.get(d) == plain_product(wide, tall, 16));

  CHECK(to_tf32(1.0f + 0x1p-11f) == __float_as_uint(1.0f + 0x1p-10f));  // ties away from zero
  CHECK(to_tf32(1.0f + 0x1p-12f) == __float_as_uint(1.0f));
}

TEST_CASE("emulation: a replayed graph reads memory as it is now", "[emulation]") {
  Fixture f;
  const View<float> x = f.put(counting(1000, 10)), partial = f.put(counting(6)), result = f.put({-1});
  cuda_api::begin_capture(f.stream.native());
  launch(f.stream, sum_kernel, dim3(6), dim3(128), 0, x.data, 1000, partial.data, f.stream.counters(), result.data);
  CHECK(message_of([&] { cuda_api::allocate(0, 64); }).find("capturing") != std::string::npos);
  const cuda_api::GraphHandle graph = cuda_api::end_capture(f.stream.native());
  CHECK(f.get(result)[0] == -1);  // recorded, not run
  for (float value : {1.0f, 2.0f}) {
    const std::vector<float> values(1000, value);
    f.stream.copy_to_device(x.data, values.data(), values.size() * sizeof(float));
    cuda_api::launch_graph(graph, f.stream.native());
    CHECK(f.get(result)[0] == 1000 * value);
  }
  cuda_api::destroy_graph(graph);
}

TEST_CASE("emulation: host code that touches device memory dies", "[emulation]") {
  Fixture f;
  const View<float> x = f.put(counting(64));
  CHECK(signal_of([&] { x[0] = 1.0f; }) != 0);
  CHECK(signal_of([&] { f.get(x); }) == 0);
}

#if defined(__SANITIZE_ADDRESS__)
TEST_CASE("emulation: writing past a block of device memory is caught", "[emulation]") {
  Fixture f;
  const View<float> x = f.put(counting(50));
  CHECK(signal_of([&] { launch(f.stream, write_kernel, dim3(1), dim3(1), 0, x.data, 49); }) == 0);
  CHECK(signal_of([&] { launch(f.stream, write_kernel, dim3(1), dim3(1), 0, x.data, 50); }) != 0);
}
#endif

TEST_CASE("emulation: new memory is not a number", "[emulation]") {
  Fixture f;
  const View<float> x = f.arena.view<float>({16});
  for (float value : f.get(x)) CHECK(std::isnan(value));
}

TEST_CASE("emulation: launches beyond the limits of a device are refused", "[emulation]") {
  Fixture f;
  const View<float> x = f.put({0});
  const auto refused = [&](dim3 grid, dim3 block, std::size_t shared) {
    return !message_of([&] { launch(f.stream, write_kernel, grid, block, shared, x.data, 0); }).empty();
  };
  CHECK(refused(dim3(1), dim3(1025), 0));
  CHECK(refused(dim3(1, 65536), dim3(1), 0));
  CHECK(refused(dim3(1), dim3(1), 100 << 10));
  CHECK_FALSE(refused(dim3(1), dim3(1024), 99 << 10));
}
