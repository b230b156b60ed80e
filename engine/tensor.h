// SPDX-License-Identifier: Apache-2.0
// Memory that outlives a step: parameters, moments, data.
#pragma once

#include <algorithm>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

#include "core/shape.h"
#include "core/stream.h"

namespace clade {

/// Owns contiguous values on a device; movable, all bytes zero at first.
template <class T>
class BasicTensor {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  BasicTensor() = default;
  BasicTensor(Stream& stream, const Shape& shape) : shape_(shape) {
    const std::size_t bytes = static_cast<std::size_t>(shape.size()) * sizeof(T);
    memory_ = std::unique_ptr<T[], Release>(
        static_cast<T*>(allocate_memory(stream.device(), std::max<std::size_t>(bytes, 1))), Release{stream.device()});
    stream.set_zero(memory_.get(), bytes);
  }
  BasicTensor(Stream& stream, const Shape& shape, std::span<const T> values) : BasicTensor(stream, shape) {
    assign(stream, values);
  }

  Device device() const { return memory_.get_deleter().device; }
  const Shape& shape() const { return shape_; }
  std::int64_t size() const { return memory_ ? shape_.size() : 0; }
  explicit operator bool() const { return memory_ != nullptr; }

  View<T> view() { return {memory_.get(), shape_}; }
  View<const T> view() const { return {memory_.get(), shape_}; }
  /// `shape` values from `offset` on.
  View<T> view(std::int64_t offset, const Shape& shape) { return {memory_.get() + offset, shape}; }
  View<const T> view(std::int64_t offset, const Shape& shape) const { return {memory_.get() + offset, shape}; }

  /// Copies size() values to the device, in order with the work of a stream of that device.
  void assign(Stream& stream, std::span<const T> values) {
    CLADE_CHECK(static_cast<std::int64_t>(values.size()) == size(), ErrorCode::internal, values.size(),
                " values for a tensor of ", shape_);
    stream.copy_to_device(memory_.get(), values.data(), values.size_bytes());
  }
  /// The values, once the work given to the stream is done.
  std::vector<T> values(Stream& stream) const { return values(stream, 0, size()); }
  /// `count` of them from `offset` on.
  std::vector<T> values(Stream& stream, std::int64_t offset, std::int64_t count) const {
    std::vector<T> result(static_cast<std::size_t>(count));
    stream.copy_to_host(result.data(), memory_.get() + offset, result.size() * sizeof(T));
    return result;
  }

 private:
  struct Release {
    Device device;
    void operator()(T* memory) const { free_memory(device, memory); }
  };

  Shape shape_;
  std::unique_ptr<T[], Release> memory_;
};

using Tensor = BasicTensor<float>;

}  // namespace clade
