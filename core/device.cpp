// SPDX-License-Identifier: Apache-2.0
#include "core/device.h"

namespace clade {

int cuda_device_count() { return 0; }

Stream::Stream(Device device, ThreadPool& pool) : device_(device), pool_(&pool) {
  CLADE_CHECK(device.type == DeviceType::cpu || device.ordinal < cuda_device_count(), ErrorCode::device, "device ",
              device, " is not available: this build of CLADE has no CUDA support");
}

}  // namespace clade
