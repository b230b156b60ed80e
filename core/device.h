// SPDX-License-Identifier: Apache-2.0
// Where work runs. A stream is the first argument of every kernel.
#pragma once

#include <ostream>

#include "core/arena.h"
#include "core/parallel.h"

namespace clade {

enum class DeviceType { cpu, cuda };

/// A processor: the CPU, or the CUDA device with the given ordinal.
struct Device {
  DeviceType type = DeviceType::cpu;
  int ordinal = 0;

  friend bool operator==(const Device&, const Device&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Device& device) {
    if (device.type == DeviceType::cpu) return out << "cpu";
    return out << "cuda:" << device.ordinal;
  }
};

/// Number of CUDA devices that this build of the library can use.
int cuda_device_count();

/// Work in order on one device. On the CPU a call returns when its work is done. One stream per thread of control.
class Stream {
 public:
  /// Throws Error(device) if the device is not there. `pool` must outlive the stream.
  Stream(Device device, ThreadPool& pool);

  Device device() const { return device_; }
  ThreadPool& pool() const { return *pool_; }
  /// Workspace of the kernel that is running; kernels leave it as they found it (ArenaScope).
  Arena& scratch() { return scratch_; }

 private:
  Device device_;
  ThreadPool* pool_;
  Arena scratch_;
};

}  // namespace clade
