// SPDX-License-Identifier: Apache-2.0
#include "core/device.h"

#include <new>

#include "core/cuda_api.h"

namespace clade {

namespace {
constexpr std::align_val_t kAlignment{256};
}

int cuda_device_count() {
  static const int count = cuda_api::device_count();
  return count;
}

std::string device_name(Device device) {
  if (device.is_cpu()) return "CPU";
  CLADE_CHECK(device.ordinal >= 0 && device.ordinal < cuda_device_count(), ErrorCode::device, "device ", device,
              " is not available: ", cuda_device_count(), " CUDA devices can be used");
  return cuda_api::device_name(device.ordinal);
}

void* allocate_memory(Device device, std::size_t bytes) {
  if (!device.is_cpu()) return cuda_api::allocate(device.ordinal, bytes);
  void* memory = ::operator new(bytes, kAlignment, std::nothrow);
  CLADE_CHECK(memory != nullptr, ErrorCode::device, "out of memory: ", bytes, " bytes asked for");
  return memory;
}

void free_memory(Device device, void* memory) noexcept {
  if (memory == nullptr) return;
  if (device.is_cpu()) {
    ::operator delete(memory, kAlignment);
  } else {
    cuda_api::release(device.ordinal, memory);
  }
}

}  // namespace clade
