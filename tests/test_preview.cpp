// SPDX-License-Identifier: Apache-2.0
// The picture: which way up, whatever the order of the axes on disk, and the same place in every column.
#include "tools/preview.h"

#include "tests/support/catch.h"
#include "tests/support/volumes.h"

using namespace clade;

namespace {

// World box of 48 mm; brightness rises to the patient's left (+), the back and the feet as the weights say.
double brightness(const std::array<double, 3>& world, const std::array<double, 3>& weights) {
  return 100.0 + weights[0] * -world[0] - weights[1] * world[1] - weights[2] * world[2];
}

// Voxel axis d runs along world axis order[d], forwards or backwards.
Geometry oriented(const std::array<int, 3>& order, const std::array<bool, 3>& forward, double spacing) {
  Geometry geometry = test::make_geometry({48, 48, 48}, {1, 1, 1});
  geometry.affine = {};
  for (std::size_t d = 0; d < 3; ++d) {
    const auto world = static_cast<std::size_t>(order[d]);
    geometry.size[d] = static_cast<int>(48 / spacing);
    geometry.spacing[d] = spacing;
    geometry.affine[world][d] = forward[d] ? spacing : -spacing;
    geometry.affine[world][3] = (forward[d] ? -0.5 : 0.5) * spacing * (geometry.size[d] - 1);
  }
  return geometry;
}

Volume gradient_volume(const Geometry& geometry, const std::array<double, 3>& weights) {
  Volume volume;
  volume.geometry = geometry;
  for (int k = 0; k < geometry.size[2]; ++k)
    for (int j = 0; j < geometry.size[1]; ++j)
      for (int i = 0; i < geometry.size[0]; ++i)
        volume.voxels.push_back(static_cast<float>(brightness(
            geometry.world({static_cast<double>(i), static_cast<double>(j), static_cast<double>(k)}), weights)));
  return volume;
}

int at(const GreyImage& image, int x, int y) { return image.pixels[static_cast<std::size_t>(y * image.width + x)]; }

}  // namespace

TEST_CASE("preview slices stand upright for every order and direction of the axes", "[preview]") {
  const std::array<int, 3> orders[] = {{0, 1, 2}, {1, 2, 0}, {2, 0, 1}, {0, 2, 1}};
  for (const auto& order : orders)
    for (int directions = 0; directions < 8; ++directions) {
      const Geometry geometry =
          oriented(order, {(directions & 1) != 0, (directions & 2) != 0, (directions & 4) != 0}, 1);
      INFO("order " << order[0] << order[1] << order[2] << ", directions " << directions);
      // The slice axis runs from feet to head.
      PlaneAxes axes;
      for (int d = 0; d < 3; ++d) (order[d] == 2 ? axes.slice : order[d] == 1 ? axes.shared : axes.normal) = d;
      const Preview preview(gradient_volume(geometry, {1, 1, 1}), axes, 1);
      const UprightSlice& sagittal = preview.slices()[0];
      const UprightSlice& coronal = preview.slices()[1];
      CHECK(sagittal.plane == Plane::sagittal);
      CHECK(coronal.plane == Plane::coronal);
      CHECK(sagittal.down == std::array<double, 3>{0, 0, -1});
      CHECK(sagittal.right == std::array<double, 3>{0, -1, 0});
      CHECK(coronal.down == std::array<double, 3>{0, 0, -1});
      CHECK(coronal.right == std::array<double, 3>{-1, 0, 0});
      // The upper left corner of the field of view, where the picture begins.
      CHECK(sagittal.origin[1] == Approx(24.0));
      CHECK(sagittal.origin[2] == Approx(24.0));
      CHECK(coronal.origin[0] == Approx(24.0));
    }
}

TEST_CASE("preview columns of other grids show the same place", "[preview]") {
  const Volume fine = gradient_volume(oriented({0, 1, 2}, {true, true, true}, 1), {1, 2, 3});
  const Volume coarse = gradient_volume(oriented({2, 0, 1}, {false, true, false}, 2), {1, 2, 3});
  PlaneAxes axes;  // slices along k, shared j, normal i
  Preview preview(fine, axes, 2);
  preview.add_column("FINE", fine);
  preview.add_column("COARSE", coarse);
  const GreyImage picture = preview.render();
  const int column = picture.width / 2;
  int differing = 0, darker_above = 0, darker_left = 0;
  // Inside the first slice, away from its border, where the coarse grid has no samples, and from labels and the frame.
  const int top = 60, bottom = 600;
  REQUIRE(picture.height > bottom + 40);
  for (int y = top; y < bottom; y += 10)
    for (int x = 60; x < column - 60; x += 10) {
      if (std::abs(at(picture, x, y) - at(picture, x + column - 4, y)) > 3) ++differing;
      if (at(picture, x, y) > at(picture, x, y + 40)) ++darker_above;
      if (at(picture, x, y) > at(picture, x + 40, y)) ++darker_left;
    }
  const int samples = ((bottom - top) / 10) * ((column - 120 + 9) / 10);
  // Labels and the frame of the inset take a few samples.
  CHECK(differing < samples / 50);
  CHECK(darker_above < samples / 20);
  CHECK(darker_left < samples / 20);
}
