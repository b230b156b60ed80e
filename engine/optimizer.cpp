// SPDX-License-Identifier: Apache-2.0
#include "engine/optimizer.h"

#include "kernels/dispatch.h"

namespace clade {

Adam::Adam(Device device, std::int64_t size, double learning_rate) : first_(device, {size}), second_(device, {size}) {
  parameters_.learning_rate = static_cast<float>(learning_rate);
}

void Adam::update(Stream& stream, View<const float> gradient, View<float> weights) {
  parameters_.step = ++step_;
  CLADE_KERNEL(adam)(stream, parameters_, gradient, first_.view(), second_.view(), weights);
}

}  // namespace clade
