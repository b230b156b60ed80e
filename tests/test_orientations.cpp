// SPDX-License-Identifier: Apache-2.0
// One body scanned once, its voxels stored in each of the 48 orders: resampling must not see the difference.
#include <algorithm>
#include <cmath>

#include "io/nifti.h"
#include "io/spline.h"
#include "tests/support/catch.h"
#include "tests/support/temp_dir.h"
#include "tests/support/volumes.h"

using namespace clade;
using clade::test::centre_of_view;
using clade::test::distance;

namespace {

// Storage order: axis a of the stored volume runs along axis order[a] of the original, backwards if flip[a].
struct Storage {
  std::array<std::size_t, 3> order;
  std::array<bool, 3> flip;

  // Original index of a stored index, given the size of the original grid.
  std::array<int, 3> original(const std::array<int, 3>& index, const std::array<int, 3>& size) const {
    std::array<int, 3> result{};
    for (std::size_t a = 0; a < 3; ++a) result[order[a]] = flip[a] ? size[order[a]] - 1 - index[a] : index[a];
    return result;
  }
};

std::vector<Storage> all_storages() {
  std::vector<Storage> storages;
  std::array<std::size_t, 3> order{0, 1, 2};
  do {
    for (int flips = 0; flips < 8; ++flips)
      storages.push_back({order, {(flips & 1) != 0, (flips & 2) != 0, (flips & 4) != 0}});
  } while (std::next_permutation(order.begin(), order.end()));
  return storages;
}

// Thick along its third axis and tilted about two axes, as a scan with an angled head is.
Geometry oblique_geometry() {
  const double a = 0.3, b = -0.2;
  const double rotation[3][3] = {{std::cos(a), -std::sin(a) * std::cos(b), std::sin(a) * std::sin(b)},
                                 {std::sin(a), std::cos(a) * std::cos(b), -std::cos(a) * std::sin(b)},
                                 {0.0, std::sin(b), std::cos(b)}};
  Geometry geometry = test::make_geometry({7, 6, 5}, {0.9, 0.8, 2.9});
  for (std::size_t row = 0; row < 3; ++row)
    for (std::size_t column = 0; column < 3; ++column)
      geometry.affine[row][column] = rotation[row][column] * geometry.spacing[column];
  geometry.qform = geometry.sform = geometry.affine;
  return geometry;
}

std::size_t offset(const Geometry& geometry, const std::array<int, 3>& index) {
  return static_cast<std::size_t>(index[0] + geometry.stride(1) * index[1] + geometry.stride(2) * index[2]);
}

template <class Body>
void for_each_voxel(const Geometry& geometry, const Body& body) {
  for (int k = 0; k < geometry.size[2]; ++k)
    for (int j = 0; j < geometry.size[1]; ++j)
      for (int i = 0; i < geometry.size[0]; ++i) body(std::array<int, 3>{i, j, k});
}

Volume stored_as(const Volume& volume, const Storage& storage) {
  const Geometry& from = volume.geometry;
  Volume result;
  Geometry& to = result.geometry;
  to.qform_code = to.sform_code = 1;
  for (std::size_t row = 0; row < 3; ++row) to.affine[row][3] = from.affine[row][3];
  for (std::size_t a = 0; a < 3; ++a) {
    const std::size_t o = storage.order[a];
    to.size[a] = from.size[o];
    to.spacing[a] = from.spacing[o];
    for (std::size_t row = 0; row < 3; ++row) {
      to.affine[row][a] = storage.flip[a] ? -from.affine[row][o] : from.affine[row][o];
      if (storage.flip[a]) to.affine[row][3] += from.affine[row][o] * (from.size[o] - 1);
    }
  }
  to.qform = to.sform = to.affine;
  result.voxels.resize(volume.voxels.size());
  for_each_voxel(to, [&](const std::array<int, 3>& index) {
    result.voxels[offset(to, index)] = volume.voxels[offset(from, storage.original(index, from.size))];
  });
  return result;
}

std::array<double, 3> world(const Geometry& geometry, const std::array<int, 3>& index) {
  return geometry.world({double(index[0]), double(index[1]), double(index[2])});
}

}  // namespace

TEST_CASE("resampling is the same in all 48 storage orders", "[orientations]") {
  ThreadPool pool(1);
  const Volume body = test::random_volume(oblique_geometry());
  const PlaneAxes body_axes = select_axes(body.geometry, {}, {});
  REQUIRE(body_axes.plane == Plane::sagittal);
  const Geometry body_grid = isotropic_grid(body.geometry, body_axes);
  const std::vector<float> expected = ResampledVolume(body, body_axes, body_grid, pool).read_all(pool);

  for (const Storage& storage : all_storages()) {
    INFO("order " << storage.order[0] << storage.order[1] << storage.order[2] << " flips " << storage.flip[0]
                  << storage.flip[1] << storage.flip[2]);
    const Volume volume = stored_as(body, storage);
    const PlaneAxes axes = select_axes(volume.geometry, {}, {});
    // The same axes of the body in the same roles.
    REQUIRE(axes.plane == Plane::sagittal);
    REQUIRE(storage.order[static_cast<std::size_t>(axes.slice)] == static_cast<std::size_t>(body_axes.slice));
    REQUIRE(storage.order[static_cast<std::size_t>(axes.shared)] == static_cast<std::size_t>(body_axes.shared));
    REQUIRE(storage.order[static_cast<std::size_t>(axes.normal)] == static_cast<std::size_t>(body_axes.normal));

    const Geometry grid = isotropic_grid(volume.geometry, axes);
    // Millimetres: rounding of doubles only.
    REQUIRE(distance(centre_of_view(grid), centre_of_view(body.geometry)) < 1e-11);
    const std::vector<float> result = ResampledVolume(volume, axes, grid, pool).read_all(pool);
    double worst_value = 0.0, worst_distance = 0.0;
    for_each_voxel(grid, [&](const std::array<int, 3>& index) {
      const auto original = storage.original(index, body_grid.size);
      worst_value =
          std::max<double>(worst_value, std::abs(result[offset(grid, index)] - expected[offset(body_grid, original)]));
      worst_distance = std::max(worst_distance, distance(world(grid, index), world(body_grid, original)));
    });
    // Voxels up to 1000 and coefficients up to 3000 in floats, filtered in the other direction when flipped.
    REQUIRE(worst_value < 2e-3);
    REQUIRE(worst_distance < 1e-11);
  }
}

TEST_CASE("all 48 storage orders survive a file", "[orientations]") {
  const test::TempDir folder;
  const Volume body = test::random_volume(oblique_geometry());
  for (const Storage& storage : all_storages()) {
    const Volume volume = stored_as(body, storage);
    write_nifti(folder / "a.nii", volume);
    const Volume back = read_nifti(folder / "a.nii");
    REQUIRE(back.voxels == volume.voxels);
    REQUIRE(back.geometry.size == volume.geometry.size);
    for (std::size_t row = 0; row < 3; ++row)
      for (std::size_t column = 0; column < 4; ++column) {
        // The header holds floats: origins up to 30 mm to 2e-6; the quaternion's own error is as large.
        REQUIRE(back.geometry.sform[row][column] == Approx(volume.geometry.sform[row][column]).margin(4e-6));
        REQUIRE(back.geometry.qform[row][column] == Approx(volume.geometry.qform[row][column]).margin(1e-5));
      }
  }
}
