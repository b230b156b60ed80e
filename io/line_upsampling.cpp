// SPDX-License-Identifier: Apache-2.0
#include "io/line_upsampling.h"

#include <algorithm>
#include <cmath>

#include "core/shape.h"

namespace clade {

namespace {

// Spacings in files are rounded to four digits or more.
constexpr double kRounding = 1e-3;

void sample(const double* coefficients, const std::vector<SplineTap>& taps, float* out) {
  for (const SplineTap& tap : taps) {
    double sum = 0.0;
    for (int k = 0; k < 4; ++k) sum += static_cast<double>(tap.weight[k]) * coefficients[tap.index[k]];
    *out++ = static_cast<float>(sum);
  }
}

}  // namespace

int LineUpsampling::whole_factor(double r) { return std::max(1, static_cast<int>(std::floor(r * (1.0 + kRounding)))); }

LineUpsampling::LineUpsampling(int in_size, int out_size, double r)
    : factor_(whole_factor(r)), in_size_(in_size), out_size_(out_size) {
  const int input_size = static_cast<int>(ceil_div(out_size, factor_));
  const int output_size = factor_ * input_size;
  // An odd surplus is one sample longer at the end: the centre of what is made lies half a sample behind that of the
  // view.
  const double offset = (output_size - out_size) % 2 == 0 ? 0.0 : 0.5 / r;
  input_ = spline_taps(in_size, input_size, factor_ / r, offset);
  output_ = spline_taps(in_size, output_size, 1.0 / r, offset);
}

void LineUpsampling::apply(double* line, float* input, float* output) const {
  spline_prefilter(line, in_size_);
  sample(line, input_, input);
  sample(line, output_, output);
}

}  // namespace clade
