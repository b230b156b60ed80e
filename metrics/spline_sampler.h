// SPDX-License-Identifier: Apache-2.0
// Values of a volume between its voxels: cubic B-splines along all three axes (Unser, Aldroubi and Eden 1993).
#pragma once

#include <array>
#include <vector>

#include "core/parallel.h"
#include "io/volume.h"

namespace clade {

class SplineSampler {
 public:
  SplineSampler(const Volume& volume, ThreadPool& pool);

  const Geometry& geometry() const { return geometry_; }
  /// Value at a fractional voxel index; half-sample symmetric beyond the border.
  double at(const std::array<double, 3>& index) const;

 private:
  Geometry geometry_;
  std::vector<float> coefficients_;
};

}  // namespace clade
