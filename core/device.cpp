// SPDX-License-Identifier: Apache-2.0
#include "core/device.h"

#include <charconv>
#include <cstdlib>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "core/cuda_api.h"

namespace clade {

namespace {
constexpr std::size_t kAlignment = 256;
constexpr std::size_t kHugePage = std::size_t{2} << 20;
}  // namespace

int cuda_device_count() {
  static const int count = cuda_api::device_count();
  return count;
}

Device parse_device(std::string_view name) {
  if (name == "cpu" || (name == "auto" && cuda_device_count() == 0)) return {};
  if (name == "auto" || name == "cuda") return {DeviceType::cuda, 0};
  constexpr std::string_view kPrefix = "cuda:";
  int ordinal = -1;
  if (name.starts_with(kPrefix)) {
    const char* end = name.data() + name.size();
    const auto [stop, error] = std::from_chars(name.data() + kPrefix.size(), end, ordinal);
    if (error != std::errc{} || stop != end) ordinal = -1;
  }
  CLADE_CHECK(ordinal >= 0, ErrorCode::usage, "device '", name, "' is not auto, cpu, cuda or cuda:N");
  return {DeviceType::cuda, ordinal};
}

std::string device_name(Device device) {
  if (device.is_cpu()) return "CPU";
  CLADE_CHECK(device.ordinal >= 0 && device.ordinal < cuda_device_count(), ErrorCode::device, "device ", device,
              " is not available: ", cuda_device_count(), " CUDA devices can be used");
  return cuda_api::device_name(device.ordinal);
}

void* allocate_memory(Device device, std::size_t bytes) {
  if (!device.is_cpu()) return cuda_api::allocate(device.ordinal, bytes);
  // Kernels read weights with strides of kilobytes: in small pages every access would be an address to look up.
  const bool huge = bytes >= 2 * kHugePage;
  const std::size_t alignment = huge ? kHugePage : kAlignment;
  const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void* memory = rounded >= bytes ? std::aligned_alloc(alignment, rounded) : nullptr;
  CLADE_CHECK(memory != nullptr, ErrorCode::device, "out of memory: ", bytes, " bytes asked for");
#if defined(__linux__)
  if (huge) madvise(memory, rounded, MADV_HUGEPAGE);  // a wish: where it is not granted, nothing changes
#endif
  return memory;
}

void free_memory(Device device, void* memory) noexcept {
  if (memory == nullptr) return;
  if (device.is_cpu()) {
    std::free(memory);
  } else {
    cuda_api::release(device.ordinal, memory);
  }
}

}  // namespace clade
