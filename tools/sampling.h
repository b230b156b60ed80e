// SPDX-License-Identifier: Apache-2.0
// Values of a volume at positions in the world.
#pragma once

#include <array>

#include "io/volume.h"

namespace clade {

using Vector3 = std::array<double, 3>;

inline Vector3 operator+(const Vector3& a, const Vector3& b) { return {a[0] + b[0], a[1] + b[1], a[2] + b[2]}; }
inline Vector3 operator*(double s, const Vector3& a) { return {s * a[0], s * a[1], s * a[2]}; }

/// Trilinear interpolation in world coordinates. The volume must outlive the sampler.
class WorldSampler {
 public:
  /// Throws Error(input) when the affine of the volume has no inverse.
  explicit WorldSampler(const Volume& volume);

  /// Value at a world position in mm; outside the grid `outside`.
  double operator()(const Vector3& world, double outside) const;

 private:
  const Volume& volume_;
  Affine inverse_;
};

}  // namespace clade
