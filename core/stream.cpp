// SPDX-License-Identifier: Apache-2.0
#include "core/stream.h"

#include <chrono>
#include <cstring>

namespace clade {

Stream::Stream(Device device, ThreadPool& pool) : device_(device), pool_(&pool), scratch_(device, device.is_cpu()) {
  if (device.is_cpu()) return;
  device_name(device);  // throws if it is not there
  native_ = cuda_api::create_stream(device.ordinal);
  try {
    counters_ = static_cast<std::uint32_t*>(allocate_memory(device, kCounters * sizeof(std::uint32_t)));
    cuda_api::set_zero(native_, counters_, kCounters * sizeof(std::uint32_t));
  } catch (...) {
    free_memory(device, counters_);
    cuda_api::destroy_stream(native_);
    throw;
  }
}

Stream::~Stream() {
  if (native_ == nullptr) return;
  cuda_api::destroy_stream(native_);
  free_memory(device_, counters_);
}

void Stream::synchronize() {
  if (native_ != nullptr) cuda_api::synchronize(native_);
}

void Stream::copy_to_device(void* device, const void* host, std::size_t bytes) {
  if (bytes == 0) return;
  if (native_ == nullptr) {
    std::memcpy(device, host, bytes);
  } else {
    cuda_api::copy_to_device(native_, device, host, bytes);
  }
}

void Stream::copy_to_host(void* host, const void* device, std::size_t bytes) {
  if (bytes == 0) return;
  if (native_ == nullptr) {
    std::memcpy(host, device, bytes);
  } else {
    cuda_api::copy_to_host(native_, host, device, bytes);
  }
}

void Stream::copy_on_device(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  if (native_ == nullptr) {
    std::memcpy(to, from, bytes);
  } else {
    cuda_api::copy_on_device(native_, to, from, bytes);
  }
}

void Stream::set_zero(void* device, std::size_t bytes) {
  if (bytes == 0) return;
  if (native_ == nullptr) {
    std::memset(device, 0, bytes);
  } else {
    cuda_api::set_zero(native_, device, bytes);
  }
}

Event::Event(Stream& stream) : stream_(&stream) {
  if (stream.native() != nullptr) native_ = cuda_api::create_event();
}

Event::~Event() {
  if (native_ != nullptr) cuda_api::destroy_event(native_);
}

void Event::record() {
  if (native_ != nullptr) {
    cuda_api::record_event(native_, stream_->native());
  } else {
    host_ms_ = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }
}

double Event::elapsed_ms(const Event& begin, const Event& end) {
  if (end.native_ != nullptr) return static_cast<double>(cuda_api::elapsed_ms(begin.native_, end.native_));
  return end.host_ms_ - begin.host_ms_;
}

}  // namespace clade
