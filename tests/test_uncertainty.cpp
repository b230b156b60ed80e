// SPDX-License-Identifier: Apache-2.0
// How far overlapping patches differ, against a loop in double.
#include <cmath>

#include "io/patch_grid.h"
#include "models/super_resolve.h"
#include "tests/support/backend.h"
#include "tests/support/compare.h"
#include "tests/support/volumes.h"

using namespace clade;
using test::make_geometry;
using test::random_volume;
using test::TestStream;

namespace {

// What stands in for a network: depends on where in the patch a pixel is, and on the patch.
float restore(float value, std::int64_t pixel, float corner) {
  return value + 0.1f * std::sin(0.7f * static_cast<float>(pixel)) * corner;
}

PatchFunction position_dependent(Stream& stream) {
  return [&](View<const float> x, View<float> y) {
    std::vector<float> values = test::values_of(stream, x);
    const std::int64_t pixels = x.shape[1] * x.shape[2];
    for (std::int64_t p = 0; p < x.shape[0]; ++p) {
      float* patch = values.data() + p * pixels;
      const float corner = patch[0];
      for (std::int64_t i = 0; i < pixels; ++i) patch[i] = restore(patch[i], i, corner);
    }
    stream.copy_to_device(y.data, values.data(), values.size() * sizeof(float));
  };
}

struct Reference {
  std::vector<double> mean, deviation;
};

// Both in two passes over all patches of each slice. The slice axis is k and the shared axis j, so slices are along i.
Reference naive(const Volume& volume, const SuperResolvePlan& plan, ThreadPool& pool) {
  const IntensityMap map = make_intensity_map(plan.intensity, plan.range, volume.voxels);
  const Volume start = interpolate(volume, plan.axes, plan.grid, pool);
  const int ni = plan.grid.size[0], nj = plan.grid.size[1], nk = plan.grid.size[2];
  const PatchGrid grid(nj, nk, plan.patch, plan.stride);
  const auto at = [&](int i, int j, int k) { return static_cast<std::size_t>(i + ni * (j + std::int64_t{nj} * k)); };
  const auto input = [&](int i, int row, int column) {
    return map.forward(start.voxels[at(i, PatchGrid::reflected(row, nj), PatchGrid::reflected(column, nk))]);
  };
  const double scale = (map.high - map.low) / (2.0 * map.range);
  Reference result{std::vector<double>(start.voxels.size()), std::vector<double>(start.voxels.size())};
  std::vector<double> covering;
  for (int i = 0; i < ni; ++i)
    for (int j = 0; j < nj; ++j)
      for (int k = 0; k < nk; ++k) {
        covering.clear();
        for (const int row : grid.rows)
          for (const int column : grid.columns)
            if (j >= row && j < row + plan.patch && k >= column && k < column + plan.patch)
              covering.push_back(restore(input(i, j, k), (j - row) * plan.patch + (k - column), input(i, row, column)));
        double mean = 0.0, squares = 0.0;
        for (const double value : covering) mean += value / static_cast<double>(covering.size());
        for (const double value : covering) squares += (value - mean) * (value - mean);
        const double voxel = start.voxels[at(i, j, k)];
        result.mean[at(i, j, k)] = map.low + (mean + map.range) * scale + voxel - std::clamp(voxel, map.low, map.high);
        result.deviation[at(i, j, k)] = scale * std::sqrt(squares / static_cast<double>(covering.size()));
      }
  return result;
}

SuperResolvePlan plan_with_uncertainty(const Volume& volume, int stride) {
  SuperResolveOptions options;
  options.stride = stride;
  options.batch = 5;
  options.uncertainty = true;
  options.plane = Plane::sagittal;
  return plan_super_resolution(volume.geometry, {}, {}, options);
}

}  // namespace

TEST_CASE("uncertainty is the standard deviation of overlapping patches", "[uncertainty]") {
  const Device device = GENERATE(from_range(test::test_devices()));
  INFO("on " << device);
  // Slices larger than a patch both ways, and smaller ones, which are padded.
  const std::array<int, 3> size = GENERATE(std::array{3, 45, 9}, std::array{2, 20, 9});
  for (const int stride : {7, 12}) {
    INFO("stride " << stride);
    std::vector<std::vector<float>> maps;
    for (const int threads : {1, 2, 3}) {
      TestStream test(device, threads);
      Volume volume = random_volume(make_geometry(size, {1, 1, 4}));
      const SuperResolvePlan plan = plan_with_uncertainty(volume, stride);
      const Reference expected = naive(volume, plan, test.pool);
      Volume uncertainty;
      const Volume result =
          super_resolve(std::move(volume), plan, position_dependent(test.stream), test.stream, {}, &uncertainty);
      CHECK(uncertainty.geometry.size == result.geometry.size);
      CHECK(uncertainty.geometry.affine == result.geometry.affine);
      REQUIRE(uncertainty.voxels.size() == expected.deviation.size());
      // Network values up to 1 in float32, stretched to intensities.
      const double tolerance = 4 * test::kEpsilon * 1000.0;
      double worst = 0.0, worst_mean = 0.0, largest = 0.0;
      for (std::size_t v = 0; v < expected.deviation.size(); ++v) {
        worst = std::max(worst, std::abs(static_cast<double>(uncertainty.voxels[v]) - expected.deviation[v]));
        worst_mean = std::max(worst_mean, std::abs(static_cast<double>(result.voxels[v]) - expected.mean[v]));
        largest = std::max(largest, expected.deviation[v]);
      }
      CHECK(worst <= tolerance);
      CHECK(worst_mean <= tolerance);
      CHECK(largest > 10.0);
      maps.push_back(std::move(uncertainty.voxels));
    }
    CHECK(maps[0] == maps[1]);
    CHECK(maps[0] == maps[2]);
  }
}

TEST_CASE("uncertainty is zero where patches agree or one is alone", "[uncertainty]") {
  ON_EVERY_DEVICE(stream);
  const auto largest = [&](std::array<int, 3> size, int stride, const PatchFunction& apply) {
    Volume volume = random_volume(make_geometry(size, {1, 1, 4}));
    const SuperResolvePlan plan = plan_with_uncertainty(volume, stride);
    Volume uncertainty;
    super_resolve(std::move(volume), plan, apply, stream, {}, &uncertainty);
    return *std::max_element(uncertainty.voxels.begin(), uncertainty.voxels.end());
  };
  const PatchFunction same = [&](View<const float> x, View<float> y) {
    stream.copy_on_device(y.data, x.data, static_cast<std::size_t>(x.size()) * sizeof(float));
  };
  const PatchFunction constant = [&](View<const float>, View<float> y) {
    const std::vector<float> values(static_cast<std::size_t>(y.size()), 0.3f);
    stream.copy_to_device(y.data, values.data(), values.size() * sizeof(float));
  };
  CHECK(largest({3, 45, 9}, 7, same) == 0.0f);
  CHECK(largest({3, 45, 9}, 7, constant) == 0.0f);
  // 64 x 32 pixels: patches side by side.
  CHECK(largest({3, 64, 8}, 32, position_dependent(stream)) == 0.0f);
  CHECK(largest({3, 64, 8}, 16, position_dependent(stream)) > 0.0f);
}

TEST_CASE("uncertainty changes nothing but memory", "[uncertainty]") {
  ON_EVERY_DEVICE(stream);
  const Volume volume = random_volume(make_geometry({4, 40, 9}, {1, 1, 4}));
  const SuperResolvePlan plan = plan_with_uncertainty(volume, 12);
  SuperResolvePlan bare = plan;
  bare.uncertainty = false;
  Volume uncertainty;
  const Volume with = super_resolve(Volume(volume), plan, position_dependent(stream), stream, {}, &uncertainty);
  CHECK(with.voxels == super_resolve(Volume(volume), bare, position_dependent(stream), stream).voxels);

  SuperResolveOptions options;
  options.stride = 12;
  options.batch = 5;
  options.plane = Plane::sagittal;
  bare = plan_super_resolution(volume.geometry, {}, {}, options);
  CHECK(plan.peak_memory_bytes == bare.peak_memory_bytes + 4 * plan.grid.voxel_count());

  // The acquired slices correct the result, but not how far patches differ.
  SuperResolvePlan projected = plan;
  projected.back_projections = 1;
  Volume after;
  super_resolve(Volume(volume), projected, position_dependent(stream), stream, {}, &after);
  CHECK(after.voxels == uncertainty.voxels);
}
