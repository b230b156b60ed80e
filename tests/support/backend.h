// SPDX-License-Identifier: Apache-2.0
// The devices that tests run on, and guarded memory there.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

#include "core/shape.h"
#include "core/stream.h"
#include "engine/tensor.h"
#include "kernels/dispatch.h"
#include "tests/support/catch.h"

namespace clade::test {

#if defined(CLADE_CUDA_EMULATION)
inline constexpr bool kEmulated = true;  ///< the CUDA device is emulated: thousands of times slower than a real one
#else
inline constexpr bool kEmulated = false;
#endif

/// The CPU, and CUDA device 0 where there is one. The environment variable CLADE_TEST_DEVICE = cpu or cuda keeps only
/// that one; asking for a CUDA device that is not there is an error, so that no test of it passes by not running.
std::vector<Device> test_devices();

/// In what precisions a device convolves: float32 on every one.
std::vector<Precision> test_precisions(Device device);
const char* precision_name(Precision precision);

/// A device and how it multiplies.
struct Backend {
  Device device;
  Precision precision;
};

/// Every device in every precision that it has.
std::vector<Backend> test_backends();

/// A stream with its threads. Precision fp32 unless asked otherwise, so that tests compare with narrow tolerances.
struct TestStream {
  explicit TestStream(Device device, int threads = 2) : TestStream(Backend{device, Precision::fp32}, threads) {}
  explicit TestStream(const Backend& backend, int threads = 2) : pool(threads), stream(backend.device, pool) {
    stream.set_precision(backend.precision);
  }
  ThreadPool pool;
  Stream stream;
};

/// Runs the rest of a test case once for every device, in float32, or once for every device and precision, with
/// Stream& `name` there.
#define ON_EVERY_DEVICE(name) CLADE_TEST_ON_EVERY(name, test_devices())
#define IN_EVERY_PRECISION(name) CLADE_TEST_ON_EVERY(name, test_backends())
#define CLADE_TEST_ON_EVERY(name, list)                                              \
  ::clade::test::TestStream name##_owner(GENERATE(from_range(::clade::test::list))); \
  ::clade::Stream& name = name##_owner.stream;                                       \
  INFO("on " << name.device() << ", " << ::clade::test::precision_name(name.precision()))

/// Values on the stream's device between two guards of 256 bytes. Guards, and values that were never given, are all
/// ones: NaN as a float, so that reads of them show in results; writes into guards are found by values(). `shift` moves
/// the values off their aligned address by so many values.
template <class T>
class DeviceArray {
 public:
  DeviceArray(Stream& stream, const Shape& shape, int shift = 0) : stream_(&stream), shape_(shape) {
    begin_ = kGuard + static_cast<std::size_t>(shift) * sizeof(T);
    bytes_.assign(begin_ + size() + kGuard, kFill);
    upload();
  }
  DeviceArray(Stream& stream, const Shape& shape, const std::vector<T>& values, int shift = 0)
      : DeviceArray(stream, shape, shift) {
    assign(values);
  }

  operator View<T>() { return {pointer(), shape_}; }
  operator View<const T>() const { return {pointer(), shape_}; }
  T* data() { return pointer(); }

  void assign(const std::vector<T>& values) {
    CLADE_CHECK(values.size() * sizeof(T) == size(), ErrorCode::internal, "test data does not fit ", shape_);
    std::memcpy(bytes_.data() + begin_, values.data(), size());
    upload();
  }

  /// What the kernels left there; fails the test if they wrote anywhere else.
  std::vector<T> values() const {
    const std::vector<std::byte> now = memory_.values(*stream_);
    const auto filled = [](std::span<const std::byte> bytes) {
      return std::ranges::all_of(bytes, [](std::byte byte) { return byte == kFill; });
    };
    const bool in_front = filled(std::span(now).first(begin_)),
               behind = filled(std::span(now).subspan(begin_ + size()));
    CHECK(in_front);
    CHECK(behind);
    std::vector<T> values(static_cast<std::size_t>(shape_.size()));
    std::memcpy(values.data(), now.data() + begin_, size());
    return values;
  }

 private:
  static_assert(std::is_trivially_copyable_v<T>);
  static constexpr std::size_t kGuard = 256;
  static constexpr std::byte kFill{0xFF};

  std::size_t size() const { return static_cast<std::size_t>(shape_.size()) * sizeof(T); }
  T* pointer() const { return reinterpret_cast<T*>(const_cast<std::byte*>(memory_.view().data) + begin_); }
  void upload() {
    if (!memory_) memory_ = BasicTensor<std::byte>(*stream_, {static_cast<std::int64_t>(bytes_.size())});
    memory_.assign(*stream_, bytes_);
  }

  Stream* stream_;
  Shape shape_;
  std::size_t begin_ = 0;
  std::vector<std::byte> bytes_;  // as last given
  BasicTensor<std::byte> memory_;
};

/// Values of a view on the stream's device.
template <class T>
std::vector<std::remove_const_t<T>> values_of(Stream& stream, View<T> view) {
  std::vector<std::remove_const_t<T>> values(static_cast<std::size_t>(view.size()));
  stream.copy_to_host(values.data(), view.data, values.size() * sizeof(T));
  return values;
}

}  // namespace clade::test
