// SPDX-License-Identifier: Apache-2.0
// Memory that outlives a step: parameters, moments, data.
#pragma once

#include <memory>
#include <span>

#include "core/device.h"
#include "core/shape.h"

namespace clade {

/// Owns contiguous float32 values on a device; movable, zero-initialised.
class Tensor {
 public:
  Tensor() = default;
  Tensor(Device device, const Shape& shape);

  Device device() const { return device_; }
  const Shape& shape() const { return shape_; }
  std::int64_t size() const { return memory_ ? shape_.size() : 0; }

  View<float> view() { return {memory_.get(), shape_}; }
  View<const float> view() const { return {memory_.get(), shape_}; }
  /// `shape` values from `offset` on.
  View<float> view(std::int64_t offset, const Shape& shape) { return {memory_.get() + offset, shape}; }

  /// The values on the host; CPU tensors only.
  std::span<float> host() { return {memory_.get(), static_cast<std::size_t>(size())}; }
  std::span<const float> host() const { return {memory_.get(), static_cast<std::size_t>(size())}; }

 private:
  struct Release {
    void operator()(float* memory) const;
  };

  Device device_;
  Shape shape_;
  std::unique_ptr<float[], Release> memory_;
};

}  // namespace clade
