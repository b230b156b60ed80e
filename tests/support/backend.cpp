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

std::vector<Precision> test_precisions(Device device) {
  if (device.is_cpu()) return {Precision::fp32};
  return {Precision::fp32, Precision::tf32};
}

const char* precision_name(Precision precision) {
  return precision == Precision::fp32 ? "fp32" : precision == Precision::tf32 ? "tf32" : "bf16";
}

std::vector<Backend> test_backends() {
  std::vector<Backend> backends;
  for (const Device device : test_devices())
    for (const Precision precision : test_precisions(device)) backends.push_back({device, precision});
  return backends;
}

}  // namespace clade::test
