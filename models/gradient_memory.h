// SPDX-License-Identifier: Apache-2.0
// Where the gradients of a sweep go.
#pragma once

#include <initializer_list>
#include <vector>

#include "models/parameters.h"

namespace clade {

/// Memory for the gradients of blocks of parameters that are differentiated one after the other.
class GradientMemory {
 public:
  enum class Layout {
    whole,   ///< laid out like the block: all gradients are there after the sweep
    passing  ///< all weights share one place: each gradient is used as soon as it is finished, while it is in the cache
  };
  GradientMemory(Stream& stream, Layout layout, std::initializer_list<const ParameterBlock*> blocks);

  /// The place of each parameter's gradient.
  std::vector<View<float>> places(const ParameterBlock& block);
  /// All of them, Layout::whole.
  Tensor& tensor() { return memory_; }

 private:
  Layout layout_;
  Tensor memory_;
};

}  // namespace clade
