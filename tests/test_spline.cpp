// SPDX-License-Identifier: Apache-2.0
// Expected numbers come from SciPy 1.17 (scipy.ndimage.spline_filter1d and map_coordinates, order 3, mode "reflect",
// float64) at the coordinates of the pixel-area grid. Those of the line of two samples are solved by hand: there SciPy
// starts its recursion 2e-4 off.
#include "io/spline.h"

#include "tests/support/errors.h"
#include "tests/support/volumes.h"

using namespace clade;
using clade::test::make_geometry;

namespace {

struct Line {
  std::vector<double> samples, coefficients, resampled;
  double s;  // new over old spacing
};

const Line kLines[] = {
    {{0, 1, 4, 2, 0},
     {-0.023923, 0.119617, 5.545455, 1.698565, -0.339713},
     {-0.013457, 0.035810, 0.455517, 1.823340, 3.550763, 3.936453, 2.763307, 1.321471, 0.317883, -0.191089},
     0.5},
    {{-7.8, 57.1, -9.3, 61.9, 18.8, 31.2, 46.6},
     {-31.5607354, 111.003676, -69.8539677, 112.612195, -9.19481278, 36.967056, 48.5265888},
     {-14.2153987, 37.6212176, 51.5640094, -0.611559161, 11.1322006, 61.9, 40.9811184, 14.0933629, 26.9130416,
      41.4916722, 47.120179},
     0.62},
    {{21.8, -0.3}, {27.325, -5.825}, {25.28075, 19.9878, 10.75, 1.5122, -3.78075}, 0.4},
    {{-11.2}, {-11.2}, {-11.2, -11.2, -11.2}, 0.3},
    {{-21.9, 43.8, 14.1, -14.2, 58, -2.6, 11.4, -0.4, 32.9, 28, 30, -3.4},
     {-40.6290263, 71.7451316, 16.4485, -52.9391316, 110.108027, -39.4929747, 32.2638721, -21.1625138, 49.9861829,
      18.617782, 43.5426889, -12.7885378},
     {-1.24724147, 36.2713882, -17.76189, 53.8036605, -1.61091346, -0.0137405181, 34.4028977, 29.7475718, 6.96544609},
     1.3},
};

Volume line_volume(const Line& line, int axis) {
  std::array<int, 3> size{1, 1, 1};
  size[static_cast<std::size_t>(axis)] = static_cast<int>(line.samples.size());
  Volume volume;
  volume.geometry = make_geometry(size, {1, 1, 1});
  volume.voxels.assign(line.samples.begin(), line.samples.end());
  return volume;
}

struct Resampling {
  PlaneAxes axes;
  Geometry grid;
};

Resampling resampling(const Geometry& geometry, int axis) {
  PlaneAxes axes;
  axes.slice = axis;
  axes.shared = (axis + 1) % 3;
  axes.normal = (axis + 2) % 3;
  return {axes, isotropic_grid(geometry, axes)};
}

}  // namespace

TEST_CASE("spline coefficients equal SciPy's", "[spline]") {
  for (const Line& line : kLines) {
    std::vector<double> coefficients = line.samples;
    spline_prefilter(coefficients.data(), static_cast<int>(coefficients.size()));
    for (std::size_t i = 0; i < coefficients.size(); ++i)
      CHECK(coefficients[i] == Approx(line.coefficients[i]).epsilon(1e-6).margin(1e-6));  // digits of the literals
  }
}

TEST_CASE("resampled lines equal SciPy's along every axis", "[spline]") {
  ThreadPool pool(1);
  const int axis = GENERATE(0, 1, 2);
  for (const Line& line : kLines) {
    const Volume volume = line_volume(line, axis);
    PlaneAxes axes;
    axes.slice = axis;
    const Geometry grid = resample_axis(volume.geometry, axis, static_cast<int>(line.resampled.size()), line.s);
    const std::vector<float> result = ResampledVolume(volume, axes, grid, pool).read_all(pool);
    REQUIRE(result.size() == line.resampled.size());
    // Coefficients up to 113 and weights are floats: four products of relative error 1e-7.
    for (std::size_t i = 0; i < result.size(); ++i) CHECK(result[i] == Approx(line.resampled[i]).margin(3e-5));
  }
}

TEST_CASE("taps reproduce constants and reflect at the border", "[spline]") {
  for (const SplineTap& tap : spline_taps(3, 40, 0.1)) {
    CHECK(tap.weight[0] + tap.weight[1] + tap.weight[2] + tap.weight[3] == Approx(1.0f));
    for (int index : tap.index) CHECK((index >= 0 && index < 3));
  }
  // The first of 40 samples lies at -0.95: between samples -1 and 0, which is sample 0 mirrored.
  const SplineTap first = spline_taps(3, 40, 0.1).front();
  CHECK(first.index[0] == 1);
  CHECK(first.index[1] == 0);
  CHECK(first.index[2] == 0);
  CHECK(first.index[3] == 1);
}

TEST_CASE("a volume resampled onto its own grid is itself", "[spline]") {
  ThreadPool pool(2);
  for (int axis = 0; axis < 3; ++axis) {
    const Volume volume = test::random_volume(make_geometry({19, 21, 18}, {1, 1, 1}));
    PlaneAxes axes;
    axes.slice = axis;
    const auto result = ResampledVolume(volume, axes, volume.geometry, pool).read_all(pool);
    // Coefficients reach three times the largest voxel, 1000; rounded to floats that is an error of 3000 / 2^24.
    for (std::size_t v = 0; v < result.size(); ++v) REQUIRE(result[v] == Approx(volume.voxels[v]).margin(1e-3));
  }
}

TEST_CASE("results do not depend on the number of threads", "[spline]") {
  const Volume volume = test::random_volume(make_geometry({37, 20, 9}, {1, 1, 3}));
  const auto [axes, grid] = resampling(volume.geometry, 2);
  ThreadPool one(1), three(3);
  CHECK(ResampledVolume(volume, axes, grid, one).read_all(one) ==
        ResampledVolume(volume, axes, grid, three).read_all(three));
}

TEST_CASE("a block is a part of the whole in the order asked for", "[spline]") {
  ThreadPool pool(1);
  const int slice = GENERATE(0, 1, 2);
  std::array<double, 3> spacing{1, 1, 1};
  spacing[static_cast<std::size_t>(slice)] = 2.5;
  const Volume volume = test::random_volume(make_geometry({7, 8, 9}, spacing));
  const auto [axes, grid] = resampling(volume.geometry, slice);
  const ResampledVolume resampled(volume, axes, grid, pool);
  const std::vector<float> whole = resampled.read_all(pool);
  const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
  const int origin[3] = {2, 3, 4};
  for (const auto& order : orders) {
    const int count[3] = {2, 3, 4};
    std::vector<float> block(24);
    resampled.read_block(order, origin, count, block.data());
    std::size_t at = 0;
    for (int a = 0; a < count[0]; ++a)
      for (int b = 0; b < count[1]; ++b)
        for (int c = 0; c < count[2]; ++c, ++at) {
          int index[3];
          index[order[0]] = origin[order[0]] + a;
          index[order[1]] = origin[order[1]] + b;
          index[order[2]] = origin[order[2]] + c;
          const auto v = static_cast<std::size_t>(index[0] + grid.stride(1) * index[1] + grid.stride(2) * index[2]);
          // The same four products, but maybe fused or summed in another way in the other loop.
          REQUIRE(block[at] == Approx(whole[v]).margin(1e-3));
        }
  }
}

TEST_CASE("a grid that differs along another axis is refused", "[spline]") {
  ThreadPool pool(1);
  const Volume volume = test::random_volume(make_geometry({4, 4, 4}, {1, 1, 2}));
  const Geometry grid = resample_axis(volume.geometry, 1, 8, 0.5);
  test::error_of(ErrorCode::internal, [&] { ResampledVolume(volume, PlaneAxes{}, grid, pool); });
}
