// SPDX-License-Identifier: Apache-2.0
#include "kernels/emulation/runtime.h"

#include <sys/mman.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <map>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

struct EmulatedStream {
  EmulatedGraph* recording = nullptr;
};
struct EmulatedEvent {
  std::chrono::steady_clock::time_point time;
};
struct EmulatedGraph {
  std::vector<std::function<void()>> work;
};

namespace clade::emulation {

namespace {

constexpr std::size_t kRegion = std::size_t{16} << 30;  // of addresses; pages come as they are touched
constexpr std::size_t kAlignment = 256;
constexpr int kPoisonByte = 0xff;  // a NaN, as float and as double

/// The addresses of the device. Between calls of `open` and `close` nobody may touch them.
class DeviceMemory {
 public:
  DeviceMemory() {
    void* region = mmap(nullptr, kRegion, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    base_ = region == MAP_FAILED ? nullptr : static_cast<char*>(region);
  }

  // First fit; a gap of kAlignment follows every block.
  void* allocate(std::size_t bytes) {
    if (base_ == nullptr) return nullptr;
    const std::size_t reserved = (bytes + 2 * kAlignment - 1) / kAlignment * kAlignment;
    std::size_t offset = 0;
    for (const auto& [begin, size] : blocks_) {
      if (begin - offset >= reserved) break;
      offset = begin + size;
    }
    if (offset + reserved > kRegion) return nullptr;
    blocks_[offset] = reserved;
    end_ = std::max(end_, offset + reserved);
    open();
    permit(base_ + offset, bytes);
    std::memset(base_ + offset, kPoisonByte, bytes);
    forbid(base_ + offset + bytes, reserved - bytes);
    close();
    return base_ + offset;
  }

  bool release(void* memory) {
    const auto block = blocks_.find(static_cast<std::size_t>(static_cast<char*>(memory) - base_));
    if (block == blocks_.end()) return false;
    forbid(base_ + block->first, block->second);
    blocks_.erase(block);
    return true;
  }

  void open() {
    if (depth_++ == 0) protect(PROT_READ | PROT_WRITE);
  }
  void close() {
    if (--depth_ == 0) protect(PROT_NONE);
  }

 private:
  void protect(int rights) const {
    constexpr std::size_t kPage = 4096;
    if (end_ > 0) mprotect(base_, (end_ + kPage - 1) / kPage * kPage, rights);
  }
#if defined(__SANITIZE_ADDRESS__)
  static void forbid(void* memory, std::size_t bytes) { ASAN_POISON_MEMORY_REGION(memory, bytes); }
  static void permit(void* memory, std::size_t bytes) { ASAN_UNPOISON_MEMORY_REGION(memory, bytes); }
#else
  static void forbid(void*, std::size_t) {}
  static void permit(void*, std::size_t) {}
#endif

  char* base_ = nullptr;
  std::size_t end_ = 0;
  int depth_ = 0;
  std::map<std::size_t, std::size_t> blocks_;  // offset to size
};

// Never destroyed: what statics own may be freed after it would have been.
DeviceMemory& device_memory() {
  static auto* memory = new DeviceMemory;
  return *memory;
}

int captures = 0;  // under way

}  // namespace

DeviceAccess::DeviceAccess() { device_memory().open(); }
DeviceAccess::~DeviceAccess() { device_memory().close(); }

void enqueue(void* stream, std::function<void()> work) {
  auto* target = static_cast<EmulatedStream*>(stream);
  if (target->recording != nullptr) {
    target->recording->work.push_back(std::move(work));
  } else {
    work();
  }
}

}  // namespace clade::emulation

using clade::emulation::captures;
using clade::emulation::device_memory;
using clade::emulation::DeviceAccess;

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : cudaErrorInvalidDevice; }
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device != 0) return cudaErrorInvalidDevice;
  *properties = {"emulated CUDA device", std::size_t{16} << 30, 4};
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  if (device != 0) return cudaErrorInvalidDevice;
  *value = attribute == cudaDevAttrMultiProcessorCount ? 4 : 1 << 20;
  return cudaSuccess;
}
cudaError_t cudaGetLastError() { return cudaSuccess; }
const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidDevice:
      return "invalid device ordinal";
    case cudaErrorLaunchFailure:
      return "unspecified launch failure";
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated:
      return "operation failed due to a previous error during capture";
  }
  return "unrecognized error code";
}

cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  if (captures > 0) return cudaErrorStreamCaptureUnsupported;
  *memory = device_memory().allocate(bytes);
  return *memory != nullptr ? cudaSuccess : cudaErrorMemoryAllocation;
}
cudaError_t cudaFree(void* memory) {
  if (captures > 0) return cudaErrorStreamCaptureUnsupported;
  return memory == nullptr || device_memory().release(memory) ? cudaSuccess : cudaErrorInvalidValue;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
  clade::emulation::enqueue(stream, [=] {
    const DeviceAccess access;
    std::memcpy(to, from, bytes);
  });
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* memory, int value, std::size_t bytes, cudaStream_t stream) {
  clade::emulation::enqueue(stream, [=] {
    const DeviceAccess access;
    std::memset(memory, value, bytes);
  });
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = new EmulatedStream;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return stream->recording == nullptr ? cudaSuccess : cudaErrorStreamCaptureUnsupported;
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (stream->recording != nullptr) return cudaErrorStreamCaptureUnsupported;
  stream->recording = new EmulatedGraph;
  ++captures;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  if (stream->recording == nullptr) return cudaErrorStreamCaptureInvalidated;
  *graph = std::exchange(stream->recording, nullptr);
  --captures;
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  *event = new EmulatedEvent;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  clade::emulation::enqueue(stream, [=] { event->time = std::chrono::steady_clock::now(); });
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  *milliseconds = std::chrono::duration<float, std::milli>(end->time - begin->time).count();
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  *executable = new EmulatedGraph(*graph);
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  for (const auto& work : executable->work) clade::emulation::enqueue(stream, work);
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}
