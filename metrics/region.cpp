// SPDX-License-Identifier: Apache-2.0
#include "metrics/region.h"

#include <charconv>
#include <cmath>

#include "core/error.h"

namespace clade {

namespace {

template <class Predicate>
Region voxels_where(const Volume& mask, const Predicate& wanted) {
  Region region;
  for (std::size_t i = 0; i < mask.voxels.size(); ++i)
    if (wanted(std::lround(mask.voxels[i]))) region.push_back(static_cast<std::int64_t>(i));
  return region;
}

}  // namespace

Box Box::parse(std::string_view text) {
  Box box;
  const char* at = text.data();
  const char* const end = at + text.size();
  bool valid = true;
  const auto number = [&](int& value, char after) {
    const auto [stop, error] = std::from_chars(at, end, value);
    valid = valid && error == std::errc{} && value >= 0 && (after ? stop != end && *stop == after : stop == end);
    if (valid) at = stop + (after ? 1 : 0);
  };
  for (std::size_t axis = 0; axis < 3 && valid; ++axis) {
    number(box.first[axis], ':');
    if (valid) number(box.end[axis], axis < 2 ? ',' : '\0');
    valid = valid && box.first[axis] < box.end[axis];
  }
  CLADE_CHECK(valid, ErrorCode::usage, "box '", text,
              "', expected i0:i1,j0:j1,k0:k1 with voxel indices i0 < i1 and so on");
  return box;
}

Region box_region(const Geometry& geometry, const Box& box) {
  for (std::size_t axis = 0; axis < 3; ++axis)
    CLADE_CHECK(box.first[axis] >= 0 && box.first[axis] < box.end[axis] && box.end[axis] <= geometry.size[axis],
                ErrorCode::usage, "box ", box.first[axis], ":", box.end[axis], " along axis ", "ijk"[axis],
                " of a volume with ", geometry.size[axis], " voxels there");
  Region region;
  for (int k = box.first[2]; k < box.end[2]; ++k)
    for (int j = box.first[1]; j < box.end[1]; ++j)
      for (int i = box.first[0]; i < box.end[0]; ++i)
        region.push_back(i + j * geometry.stride(1) + k * geometry.stride(2));
  return region;
}

Region label_region(const Volume& mask, int label) {
  Region region = voxels_where(mask, [&](long value) { return value == label; });
  CLADE_CHECK(!region.empty(), ErrorCode::input, "the mask has no voxels with label ", label);
  return region;
}

Region mask_region(const Volume& mask) {
  Region region = voxels_where(mask, [](long value) { return value != 0; });
  CLADE_CHECK(!region.empty(), ErrorCode::input, "the mask is empty");
  return region;
}

}  // namespace clade
