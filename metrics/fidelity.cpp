// SPDX-License-Identifier: Apache-2.0
#include "metrics/fidelity.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "metrics/grids.h"

namespace clade {

Fidelity data_fidelity(const Volume& result, const Volume& acquisition, SliceProfile profile, double thickness,
                       double range, ThreadPool& pool) {
  CLADE_CHECK(range > 0.0, ErrorCode::usage, "intensity range ", range);
  const Geometry& geometry = acquisition.geometry;
  const int axis = find_resampled_axis(result.geometry, geometry);
  const auto a = static_cast<std::size_t>(axis);

  DegradeOptions options;
  options.axis = axis;
  options.profile = profile;
  options.thickness = thickness;
  options.spacing = geometry.spacing[a];
  Fidelity fidelity;
  fidelity.difference = degrade(result, options, pool);
  check_same_grid(fidelity.difference.geometry, geometry);
  fidelity.difference.geometry = geometry;

  std::vector<double> slice_squares(static_cast<std::size_t>(geometry.size[a]), 0.0);
  double sum = 0.0, squares = 0.0;
  for (std::int64_t i = 0; i < geometry.voxel_count(); ++i) {
    float& voxel = fidelity.difference.voxels[static_cast<std::size_t>(i)];
    voxel -= acquisition.voxels[static_cast<std::size_t>(i)];
    const auto difference = static_cast<double>(voxel);
    sum += difference;
    squares += difference * difference;
    slice_squares[static_cast<std::size_t>(i / geometry.stride(axis) % geometry.size[a])] += difference * difference;
  }
  const auto count = static_cast<double>(geometry.voxel_count());
  fidelity.rmse = std::sqrt(squares / count);
  fidelity.relative_rmse = fidelity.rmse / range;
  fidelity.bias = sum / count / range;
  fidelity.worst_slice =
      std::sqrt(*std::max_element(slice_squares.begin(), slice_squares.end()) / (count / geometry.size[a])) / range;
  return fidelity;
}

}  // namespace clade
