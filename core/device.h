// SPDX-License-Identifier: Apache-2.0
// Processors and their memory.
#pragma once

#include <cstddef>
#include <ostream>
#include <string>
#include <string_view>

#include "core/error.h"

namespace clade {

enum class DeviceType { cpu, cuda };

/// A processor: the CPU, or the CUDA device with the given ordinal.
struct Device {
  DeviceType type = DeviceType::cpu;
  int ordinal = 0;

  bool is_cpu() const { return type == DeviceType::cpu; }

  friend bool operator==(const Device&, const Device&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Device& device) {
    if (device.is_cpu()) return out << "cpu";
    return out << "cuda:" << device.ordinal;
  }
};

/// Number of CUDA devices that this build of the library can use.
int cuda_device_count();

/// The processor that "cpu", "cuda", "cuda:N" or "auto" names; the last is the first CUDA device there is, else the
/// CPU. Throws Error(usage) for other words.
Device parse_device(std::string_view name);

/// Name of the processor for messages and logs. Throws Error(device) if it is not there.
std::string device_name(Device device);

/// Uninitialised memory of a device, aligned to 256 bytes. Throws Error(device) when there is none left.
void* allocate_memory(Device device, std::size_t bytes);
void free_memory(Device device, void* memory) noexcept;

}  // namespace clade
