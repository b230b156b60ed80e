// SPDX-License-Identifier: Apache-2.0
// A line of thick slices on its way to thin ones when the factor need not be a whole number.
#pragma once

#include <vector>

#include "io/spline.h"

namespace clade {

/// A network that multiplies samples can do so by a whole number only. So the line is resampled twice by cubic
/// B-splines: by r / floor(r) to what the network takes, and by r to what it adds its answer to. Both share the centre
/// of the field of view with the slices, like every grid of this project.
class LineUpsampling {
 public:
  /// in_size slices, out_size samples, r = old / new spacing >= 1.
  LineUpsampling(int in_size, int out_size, double r);

  /// floor(r); 4.9999 counts as 5, because spacings in files are rounded.
  static int whole_factor(double r);

  int factor() const { return factor_; }
  int input_size() const { return static_cast<int>(input_.size()); }
  /// factor * input_size, at least out_size.
  int output_size() const { return static_cast<int>(output_.size()); }
  /// Index of the first wanted sample among the output.
  int first() const { return (output_size() - out_size_) / 2; }

  /// `line` holds in_size samples and is overwritten with spline coefficients; input and output get their sizes.
  void apply(double* line, float* input, float* output) const;

 private:
  int factor_;
  int in_size_;
  int out_size_;
  std::vector<SplineTap> input_;
  std::vector<SplineTap> output_;
};

}  // namespace clade
