// SPDX-License-Identifier: Apache-2.0
// Mean, standard deviation and median of a few numbers.
#pragma once

#include <span>

namespace clade {

struct Summary {
  int count = 0;
  double mean = 0.0;    ///< NaN for none
  double sd = 0.0;      ///< with count - 1; NaN for fewer than two
  double median = 0.0;  ///< NaN for none
};

Summary summarize(std::span<const double> values);

}  // namespace clade
