// SPDX-License-Identifier: Apache-2.0
// Adam over one flat block of parameters.
#pragma once

#include <span>

#include "engine/tensor.h"
#include "kernels/kernel_types.h"

namespace clade {

/// Adam (Kingma and Ba 2015) with a fixed learning rate; moments in blocks as flat as the parameters. The number of the
/// step is read from a StepControl on the device.
class Adam {
 public:
  Adam(Stream& stream, std::int64_t size, double learning_rate)
      : first_(stream, {size}), second_(stream, {size}) {
    parameters_.learning_rate = static_cast<float>(learning_rate);
  }

  const kernels::AdamParameters& parameters() const { return parameters_; }
  Tensor& first_moment() { return first_; }
  const Tensor& first_moment() const { return first_; }
  Tensor& second_moment() { return second_; }
  const Tensor& second_moment() const { return second_; }

 private:
  kernels::AdamParameters parameters_;
  Tensor first_;
  Tensor second_;
};

}  // namespace clade
