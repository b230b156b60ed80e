// SPDX-License-Identifier: Apache-2.0
#include "engine/optimizer.h"

#include "kernels/dispatch.h"

namespace clade {

Adam::Adam(Device device, std::int64_t size) : first_(device, {size}), second_(device, {size}) {}

void Adam::update(Stream& stream, double learning_rate, View<const float> gradient, View<float> weights) {
  kernels::AdamParameters parameters;
  parameters.learning_rate = static_cast<float>(learning_rate);
  parameters.step = ++step_;
  CLADE_KERNEL(adam)(stream, parameters, gradient, first_.view(), second_.view(), weights);
}

}  // namespace clade
