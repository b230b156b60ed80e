// SPDX-License-Identifier: Apache-2.0
#include "io/back_projection.h"

#include "core/error.h"
#include "io/spline.h"

namespace clade {

namespace {

void add_interpolated(const Volume& slices, const PlaneAxes& axes, Volume& result, ThreadPool& pool) {
  const Geometry& grid = result.geometry;
  const ResampledVolume source(slices, axes, grid, pool);
  pool.parallel_for(grid.size[2], [&](std::int64_t k) {
    const std::int64_t count = grid.stride(2);
    std::vector<float> values(static_cast<std::size_t>(count));
    source.read_block({2, 1, 0}, {0, 0, static_cast<int>(k)}, {1, grid.size[1], grid.size[0]}, values.data());
    float* plane = result.voxels.data() + k * count;
    for (std::int64_t i = 0; i < count; ++i) plane[i] += values[static_cast<std::size_t>(i)];
  });
}

}  // namespace

void back_project(Volume& result, const Volume& acquisition, const PlaneAxes& axes, const SliceModel& slices,
                  int rounds, ThreadPool& pool) {
  const DegradeOptions options{axes.slice, slices.profile, slices.thickness,
                               acquisition.geometry.spacing[static_cast<std::size_t>(axes.slice)]};
  for (int round = 0; round < rounds; ++round) {
    Volume difference = degrade(result, options, pool);
    CLADE_CHECK(difference.geometry.size == acquisition.geometry.size, ErrorCode::internal,
                "the result's slices are not those of the acquisition");
    difference.geometry = acquisition.geometry;
    for (std::size_t i = 0; i < difference.voxels.size(); ++i)
      difference.voxels[i] = acquisition.voxels[i] - difference.voxels[i];
    add_interpolated(difference, axes, result, pool);
  }
}

}  // namespace clade
