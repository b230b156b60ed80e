// SPDX-License-Identifier: Apache-2.0
#include "io/axes.h"

#include "tests/support/errors.h"
#include "tests/support/volumes.h"

using namespace clade;
using clade::test::contains;
using clade::test::error_of;
using clade::test::make_geometry;

TEST_CASE("names of planes and axes", "[axes]") {
  for (Plane plane : {Plane::sagittal, Plane::coronal, Plane::axial}) CHECK(parse_plane(plane_name(plane)) == plane);
  CHECK(parse_axis("i") == 0);
  CHECK(parse_axis("k") == 2);
  for (const char* name : {"", "Axial", "x", "ij"}) {
    error_of(ErrorCode::usage, [&] { parse_plane(name); });
    error_of(ErrorCode::usage, [&] { parse_axis(name); });
  }
}

TEST_CASE("the slice axis is the clearly largest one", "[axes]") {
  CHECK(find_slice_axis(make_geometry({9, 9, 9}, {5, 1, 1})) == 0);
  CHECK(find_slice_axis(make_geometry({9, 9, 9}, {1, 5, 1})) == 1);
  CHECK(find_slice_axis(make_geometry({9, 9, 9}, {1, 2, 3})) == 2);
  CHECK(find_slice_axis(make_geometry({9, 9, 9}, {1, 2, 3}), 0) == 0);
  const std::string message = error_of(ErrorCode::input, [] {
    find_slice_axis(make_geometry({9, 9, 9}, {0.75, 2.9, 2}));
  });
  CHECK(contains(message, "0.75 x 2.9 x 2"));
  CHECK(contains(message, "--slice-axis"));
  error_of(ErrorCode::usage, [] { find_slice_axis(make_geometry({9, 9, 9}, {1, 1, 1}), 3); });
}

TEST_CASE("default planes: sagittal, else coronal", "[axes]") {
  // Axial and coronal acquisitions: the sagittal plane shows the thick slices.
  const PlaneAxes axial = select_axes(make_geometry({9, 9, 9}, {1, 1, 5}), {}, {});
  CHECK(axial.plane == Plane::sagittal);
  CHECK(axial.slice == 2);
  CHECK(axial.shared == 1);
  CHECK(axial.normal == 0);
  const PlaneAxes coronal = select_axes(make_geometry({9, 9, 9}, {1, 5, 1}), {}, {});
  CHECK(coronal.plane == Plane::sagittal);
  CHECK(coronal.slice == 1);
  CHECK(coronal.shared == 2);
  CHECK(coronal.normal == 0);
  const PlaneAxes sagittal = select_axes(make_geometry({9, 9, 9}, {5, 1, 1}), {}, {});
  CHECK(sagittal.plane == Plane::coronal);
  CHECK(sagittal.slice == 0);
  CHECK(sagittal.shared == 2);
  CHECK(sagittal.normal == 1);
}

TEST_CASE("a plane can be chosen unless it is the one across the slices", "[axes]") {
  const Geometry geometry = make_geometry({9, 9, 9}, {1, 1, 5});
  const PlaneAxes axes = select_axes(geometry, {}, Plane::coronal);
  CHECK(axes.normal == 1);
  CHECK(axes.shared == 0);
  const std::string message = error_of(ErrorCode::usage, [&] { select_axes(geometry, {}, Plane::axial); });
  CHECK(contains(message, "axial"));
  CHECK(contains(message, "sagittal"));
}

TEST_CASE("each axis of an oblique volume has a plane of its own", "[axes]") {
  Geometry geometry = make_geometry({9, 9, 9}, {1, 1, 5});
  // The first and the third axis are both nearest to y; the third is nearer, so the first takes x.
  geometry.affine = {{{0.5, 0.1, 0.3, 0}, {0.7, 0.1, 0.9, 0}, {0.5, 1.0, 0.1, 0}}};
  CHECK(plane_across(geometry, 0) == Plane::sagittal);
  CHECK(plane_across(geometry, 1) == Plane::axial);
  CHECK(plane_across(geometry, 2) == Plane::coronal);
}

TEST_CASE("the isotropic grid has square pixels in the low-resolution plane", "[axes]") {
  const Geometry geometry = make_geometry({40, 50, 25}, {1.0, 1.25, 6.5});
  const Geometry sagittal = isotropic_grid(geometry, select_axes(geometry, {}, Plane::sagittal));
  CHECK(sagittal.spacing[2] == 1.25);
  CHECK(sagittal.size[2] == 130);
  const Geometry coronal = isotropic_grid(geometry, select_axes(geometry, {}, Plane::coronal));
  CHECK(coronal.spacing[2] == 1.0);
  CHECK(coronal.size[2] == 163);  // 162.5 rounds up
  CHECK(coronal.size[0] == 40);
}

TEST_CASE("a slice axis that is already fine, or absurd, is refused", "[axes]") {
  const Geometry fine = make_geometry({40, 50, 60}, {1, 1, 1});
  const std::string message = error_of(ErrorCode::input, [&] { isotropic_grid(fine, select_axes(fine, 2, {})); });
  CHECK(contains(message, "already as fine"));
  const Geometry absurd = make_geometry({4, 5, 6}, {1e-6, 1e-6, 1e6});
  error_of(ErrorCode::input, [&] { isotropic_grid(absurd, select_axes(absurd, {}, {})); });
  const Geometry long_axis = make_geometry({2'000'000'000, 5, 6}, {1, 1, 3});
  CHECK(contains(error_of(ErrorCode::input, [&] { isotropic_grid(long_axis, select_axes(long_axis, {}, {})); }),
                 "an axis of 2000000000 voxels"));
  const Geometry huge = make_geometry({1'000'000, 1'000'000, 300'000}, {1, 1, 3});
  CHECK(contains(error_of(ErrorCode::input, [&] { isotropic_grid(huge, select_axes(huge, {}, {})); }),
                 "the result would have 9e+17 voxels"));
}
