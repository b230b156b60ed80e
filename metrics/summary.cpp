// SPDX-License-Identifier: Apache-2.0
#include "metrics/summary.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace clade {

Summary summarize(std::span<const double> values) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  Summary summary{static_cast<int>(values.size()), nan, nan, nan};
  if (values.empty()) return summary;
  const auto n = static_cast<double>(values.size());
  double sum = 0.0;
  for (double value : values) sum += value;
  summary.mean = sum / n;
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  summary.median = 0.5 * (sorted[(sorted.size() - 1) / 2] + sorted[sorted.size() / 2]);
  if (values.size() < 2) return summary;
  double squares = 0.0;
  for (double value : values) squares += (value - summary.mean) * (value - summary.mean);
  summary.sd = std::sqrt(squares / (n - 1.0));
  return summary;
}

}  // namespace clade
