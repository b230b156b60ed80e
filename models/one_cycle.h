// SPDX-License-Identifier: Apache-2.0
// The OneCycle schedule (Smith and Topin, "Super-convergence", 2018) with the constants of PyTorch's OneCycleLR.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

#include "kernels/kernel_types.h"

namespace clade {

/// Up from rate / 25 to `rate` over 30 % of the steps while beta1 falls from 0.95 to 0.85, then down to rate / 250 000
/// while beta1 rises again; both along half cosines. step counts from 0.
inline kernels::AdamParameters one_cycle(double rate, std::int64_t step, std::int64_t steps) {
  constexpr double kWarmUp = 0.3, kHighBeta = 0.95, kLowBeta = 0.85, kStart = 25.0, kEnd = 25e4;
  const double top = kWarmUp * static_cast<double>(steps) - 1.0, last = static_cast<double>(steps) - 1.0;
  const auto at = static_cast<double>(step);
  const auto between = [](double from, double to, double share) {
    return to + 0.5 * (from - to) * (1.0 + std::cos(std::numbers::pi * share));
  };
  kernels::AdamParameters adam;
  const bool rising = at <= top && top > 0.0;
  const double share = rising ? at / top : (at - top) / (last - top);
  adam.learning_rate =
      static_cast<float>(rising ? between(rate / kStart, rate, share) : between(rate, rate / kEnd, share));
  adam.beta1 = static_cast<float>(rising ? between(kHighBeta, kLowBeta, share) : between(kLowBeta, kHighBeta, share));
  return adam;
}

}  // namespace clade
