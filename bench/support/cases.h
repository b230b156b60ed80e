// SPDX-License-Identifier: Apache-2.0
// The kernels as trainings and super-resolution of full-size networks call them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bench/support/measure.h"

namespace clade::bench {

/// A kernel on operands of one size.
struct Case {
  std::string name;
  double flop = 0;   ///< useful work of a launch: two operations per product of the definition
  double bytes = 0;  ///< what it must read and write at least once
  /// Makes operands and returns the launch on them.
  std::function<Launch(Operands&)> prepare;
  /// The same arithmetic by cuDNN; empty where there is none.
  std::function<Launch(Operands&)> prepare_cudnn;
};

/// Convolutions of a training step on `n` samples (64 channels), both nets in one call: forward and both gradients.
std::vector<Case> convolution_cases(int n);

/// All other kernels whose size goes with the samples.
std::vector<Case> sample_cases(int n);

/// Kernels on weights, and on the slices of a volume.
std::vector<Case> other_cases();

}  // namespace clade::bench
