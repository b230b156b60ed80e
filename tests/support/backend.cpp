// SPDX-License-Identifier: Apache-2.0
#include "tests/support/backend.h"

#include <cstdlib>
#include <string>

namespace clade::test {

std::vector<Device> test_devices() {
  const char* variable = std::getenv("CLADE_TEST_DEVICE");
  const std::string wanted = variable == nullptr ? "" : variable;
  CLADE_CHECK(wanted.empty() || wanted == "cpu" || wanted == "cuda", ErrorCode::usage, "CLADE_TEST_DEVICE is ", wanted,
              ", not cpu or cuda");
  const bool has_cuda = cuda_device_count() > 0;
  CLADE_CHECK(has_cuda || wanted != "cuda", ErrorCode::device,
              "CLADE_TEST_DEVICE is cuda, but there is no CUDA device");
  std::vector<Device> devices;
  if (wanted != "cuda") devices.push_back({});
  if (wanted != "cpu" && has_cuda) devices.push_back({DeviceType::cuda, 0});
  return devices;
}

std::vector<Backend> test_backends() {
  std::vector<Backend> backends;
  for (const Device device : test_devices()) {
    backends.push_back({device, Precision::fp32});
    if (!device.is_cpu()) backends.push_back({device, Precision::tf32});
  }
  return backends;
}

}  // namespace clade::test
