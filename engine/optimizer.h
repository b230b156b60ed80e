// SPDX-License-Identifier: Apache-2.0
// Adam over one flat block of parameters.
#pragma once

#include "engine/tensor.h"
#include "kernels/kernel_types.h"

namespace clade {

/// Adam (Kingma and Ba 2015) with a fixed learning rate; moments in blocks as flat as the parameters.
class Adam {
 public:
  Adam(Device device, std::int64_t size, double learning_rate);

  /// One update of `weights` [size] by `gradient` [size].
  void update(Stream& stream, View<const float> gradient, View<float> weights);

  std::int64_t step_count() const { return step_; }
  void set_step_count(std::int64_t step) { step_ = step; }
  Tensor& first_moment() { return first_; }
  const Tensor& first_moment() const { return first_; }
  Tensor& second_moment() { return second_; }
  const Tensor& second_moment() const { return second_; }

 private:
  kernels::AdamParameters parameters_;
  std::int64_t step_ = 0;
  Tensor first_;
  Tensor second_;
};

}  // namespace clade
