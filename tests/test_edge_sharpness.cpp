// SPDX-License-Identifier: Apache-2.0
#include "metrics/edge_sharpness.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "metrics/spline_sampler.h"
#include "tests/support/errors.h"
#include "tests/support/volumes.h"

using namespace clade;
using clade::test::centre_of_view;
using clade::test::error_of;
using clade::test::make_geometry;

namespace {

using Vector = std::array<double, 3>;

// A step of 400 blurred with a Gaussian of `sigma` mm, normal to `normal`, through the centre of the field of view.
Volume blurred_edge(const Geometry& geometry, const Vector& normal, double sigma) {
  Volume volume;
  volume.geometry = geometry;
  const Vector centre = centre_of_view(geometry);
  for (int k = 0; k < geometry.size[2]; ++k)
    for (int j = 0; j < geometry.size[1]; ++j)
      for (int i = 0; i < geometry.size[0]; ++i) {
        const Vector at = geometry.world({1.0 * i, 1.0 * j, 1.0 * k});
        double distance = 0.0;
        for (std::size_t d = 0; d < 3; ++d) distance += normal[d] * (at[d] - centre[d]);
        volume.voxels.push_back(static_cast<float>(100.0 + 200.0 * std::erf(distance / (sigma * std::numbers::sqrt2))));
      }
  return volume;
}

double analytic_slope(double sigma) { return 1.0 / (sigma * std::sqrt(2.0 * std::numbers::pi)); }

Profile across(const Volume& volume, const Vector& normal, double length) {
  const Vector centre = centre_of_view(volume.geometry);
  Profile profile;
  for (std::size_t d = 0; d < 3; ++d) {
    profile.start[d] = centre[d] - 0.5 * length * normal[d];
    profile.end[d] = centre[d] + 0.5 * length * normal[d];
  }
  return profile;
}

const std::vector<Vector> kNormals{
    {1, 0, 0}, {0, 0, -1}, {std::cos(0.3), std::sin(0.3), 0}, {std::sqrt(0.5), 0, std::sqrt(0.5)}, {0.6, -0.48, 0.64}};

}  // namespace

TEST_CASE("the slope of a blurred edge at any angle and spacing is the analytic one", "[edge]") {
  ThreadPool pool(2);
  struct Grid {
    std::array<int, 3> size;
    Vector spacing;
    double sigma;
  };
  for (const Grid& grid : {Grid{{32, 32, 32}, {1, 1, 1}, 1.2},
                           {{44, 44, 44}, {0.7, 0.7, 0.7}, 1.5},
                           {{40, 36, 20}, {0.8, 0.9, 1.6}, 1.6},
                           {{60, 60, 60}, {0.5, 0.5, 0.5}, 0.6}})
    for (const Vector& normal : kNormals) {
      INFO("spacing " << grid.spacing[2] << ", normal " << normal[0] << ' ' << normal[1] << ' ' << normal[2]);
      const Volume volume = blurred_edge(make_geometry(grid.size, grid.spacing), normal, grid.sigma);
      const auto sharpness =
          edge_sharpness(volume, {across(volume, normal, 8.0 * grid.sigma)}, profile_step(volume.geometry), pool);
      REQUIRE(sharpness.front().has_value());
      CHECK(*sharpness.front() == Approx(analytic_slope(grid.sigma)).epsilon(0.02));
    }
}

TEST_CASE("edges are found, and measured right, without being told where they are", "[edge]") {
  ThreadPool pool(2);
  for (const Vector& normal : kNormals) {
    const Volume volume = blurred_edge(make_geometry({44, 44, 44}, {0.9, 0.9, 0.9}), normal, 1.3);
    EdgeSearch search;
    search.count = 20;
    const std::vector<Profile> profiles = find_edges(volume, search);
    CHECK(profiles.size() >= 5);
    CHECK(profiles.size() <= 20);
    const auto sharpness = edge_sharpness(volume, profiles, 0.45, pool);
    for (const auto& value : sharpness) CHECK(value.value() == Approx(analytic_slope(1.3)).epsilon(0.02));
  }
}

TEST_CASE("an oblique, mirrored volume has the same sharpness", "[edge]") {
  ThreadPool pool(2);
  Geometry geometry = make_geometry({40, 40, 40}, {0.8, 0.9, 1.1});
  // Rotated by 25 degrees about z, first axis mirrored.
  const double c = std::cos(0.436), s = std::sin(0.436);
  geometry.affine = {{{-0.8 * c, -0.9 * s, 0, 4}, {-0.8 * s, 0.9 * c, 0, 9}, {0, 0, 1.1, -7}}};
  const Volume volume = blurred_edge(geometry, {0.6, -0.48, 0.64}, 1.4);
  const std::vector<Profile> profiles = find_edges(volume, {});
  REQUIRE(profiles.size() >= 3);
  for (const auto& value : edge_sharpness(volume, profiles, 0.4, pool))
    CHECK(value.value() == Approx(analytic_slope(1.4)).epsilon(0.02));
}

TEST_CASE("edges are sorted by direction and keep their distance", "[edge]") {
  // A step across k, twice as strong as one across i.
  Volume volume = blurred_edge(make_geometry({50, 40, 50}, {1, 1, 1}), {0, 0, 1}, 1.0);
  const Volume other = blurred_edge(volume.geometry, {1, 0, 0}, 1.0);
  for (std::size_t i = 0; i < volume.voxels.size(); ++i) volume.voxels[i] = 2.0f * volume.voxels[i] + other.voxels[i];
  const auto normal_along = [](const Profile& p, std::size_t axis) {
    return std::abs(p.end[axis] - p.start[axis]) / test::distance(p.start, p.end);
  };
  EdgeSearch search;
  search.direction = EdgeDirection::through_plane;
  const std::vector<Profile> through = find_edges(volume, search);
  REQUIRE(through.size() >= 4);
  for (const Profile& profile : through) CHECK(normal_along(profile, 2) > 0.86);
  search.direction = EdgeDirection::in_plane;
  const std::vector<Profile> in_plane = find_edges(volume, search);
  REQUIRE(in_plane.size() >= 4);
  for (const Profile& profile : in_plane) CHECK(normal_along(profile, 2) <= 0.51);
  for (std::size_t a = 0; a < through.size(); ++a)
    for (std::size_t b = 0; b < a; ++b)
      CHECK(test::distance(through[a].start, through[b].start) > search.separation - 2.0);
}

TEST_CASE("contrast and brightness do not matter, blur does", "[edge]") {
  ThreadPool pool(2);
  const Geometry geometry = make_geometry({40, 12, 12}, {1, 1, 1});
  const Volume sharp = blurred_edge(geometry, {1, 0, 0}, 1.0), soft = blurred_edge(geometry, {1, 0, 0}, 2.0);
  Volume pale = sharp;
  for (float& voxel : pale.voxels) voxel = 0.1f * voxel - 30.0f;
  const std::vector<Profile> profile{across(sharp, {1, 0, 0}, 16.0)};
  const double value = *edge_sharpness(sharp, profile, 0.5, pool).front();
  CHECK(*edge_sharpness(pale, profile, 0.5, pool).front() == Approx(value).epsilon(1e-4));
  CHECK(*edge_sharpness(soft, profile, 0.5, pool).front() == Approx(0.5 * value).epsilon(0.03));
}

TEST_CASE("a slope by hand", "[edge]") {
  // A cubic is its own Savitzky-Golay fit: 3 x^2 at x = +-2 (the ends of the inner samples), values -8 to 8.
  std::vector<double> cubic;
  for (int x = -4; x <= 4; ++x) cubic.push_back(x * x * x);
  CHECK(*steepest_slope(cubic, 1.0) == Approx(12.0 / 16.0));
  CHECK(*steepest_slope(cubic, 0.5) == Approx(24.0 / 16.0));
  CHECK_FALSE(steepest_slope(std::vector<double>(9, 3.0), 1.0).has_value());
  error_of(ErrorCode::usage, [] { steepest_slope(std::vector<double>(4, 3.0), 1.0); });
}

TEST_CASE("spline samples go through the voxels", "[edge]") {
  ThreadPool pool(1);
  const Volume noise = test::random_volume(make_geometry({7, 5, 4}, {1, 1, 1}));
  const SplineSampler sampler(noise, pool);
  for (int k = 0; k < 4; ++k)
    for (int j = 0; j < 5; ++j)
      for (int i = 0; i < 7; ++i)
        CHECK(sampler.at({1.0 * i, 1.0 * j, 1.0 * k}) ==
              Approx(noise.voxels[static_cast<std::size_t>(i + 7 * (j + 5 * k))]).margin(2e-3));
}

TEST_CASE("profiles that cannot be sampled are refused", "[edge]") {
  ThreadPool pool(1);
  const Volume volume = blurred_edge(make_geometry({12, 12, 12}, {1, 1, 1}), {1, 0, 0}, 1.0);
  error_of(ErrorCode::usage, [&] { edge_sharpness(volume, {across(volume, {1, 0, 0}, 30.0)}, 0.5, pool); });
  error_of(ErrorCode::usage, [&] { edge_sharpness(volume, {across(volume, {1, 0, 0}, 1.5)}, 0.5, pool); });
  Volume flat = volume;
  std::fill(flat.voxels.begin(), flat.voxels.end(), 5.0f);
  CHECK(find_edges(flat, {}).empty());
  CHECK_FALSE(edge_sharpness(flat, {across(volume, {1, 0, 0}, 8.0)}, 0.5, pool).front().has_value());
  Volume thin = test::random_volume(make_geometry({12, 12, 2}, {1, 1, 1}));
  CHECK(find_edges(thin, {}).empty());
}
