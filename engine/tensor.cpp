// SPDX-License-Identifier: Apache-2.0
#include "engine/tensor.h"

#include <algorithm>
#include <new>

namespace clade {

namespace {
constexpr std::align_val_t kAlignment{256};
}

void Tensor::Release::operator()(float* memory) const { ::operator delete(memory, kAlignment); }

Tensor::Tensor(Device device, const Shape& shape) : device_(device), shape_(shape) {
  const auto count = static_cast<std::size_t>(shape.size());
  auto* memory = static_cast<float*>(::operator new(std::max<std::size_t>(count, 1) * sizeof(float), kAlignment, std::nothrow));
  CLADE_CHECK(memory != nullptr, ErrorCode::device, "out of memory: ", count, " values asked for");
  memory_.reset(memory);
  std::fill_n(memory, count, 0.0f);
}

}  // namespace clade
