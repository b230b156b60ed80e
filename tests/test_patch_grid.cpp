// SPDX-License-Identifier: Apache-2.0
#include "io/patch_grid.h"

#include "tests/support/errors.h"

using namespace clade;
using clade::test::error_of;
using Offsets = std::vector<std::int32_t>;

TEST_CASE("tiles stand a stride apart and end flush", "[patch_grid]") {
  CHECK(tile_offsets(32, 32, 12) == Offsets{0});
  CHECK(tile_offsets(33, 32, 12) == Offsets{0, 1});
  CHECK(tile_offsets(56, 32, 12) == Offsets{0, 12, 24});  // the last stride ends flush by itself
  CHECK(tile_offsets(57, 32, 12) == Offsets{0, 12, 24, 25});
  CHECK(tile_offsets(96, 32, 32) == Offsets{0, 32, 64});
}

TEST_CASE("every pixel lies in a tile", "[patch_grid]") {
  for (int extent = 8; extent < 60; ++extent)
    for (int stride = 1; stride <= 8; ++stride) {
      const Offsets offsets = tile_offsets(extent, 8, stride);
      int covered = 0;
      for (std::int32_t offset : offsets) {
        REQUIRE(offset <= covered);
        covered = offset + 8;
      }
      REQUIRE(covered == extent);
    }
}

TEST_CASE("strides that leave gaps are refused", "[patch_grid]") {
  for (int stride : {0, -1, 33}) error_of(ErrorCode::usage, [&] { PatchGrid(64, 64, 32, stride); });
  CHECK_NOTHROW(PatchGrid(64, 64, 32, 32));
}

TEST_CASE("small slices are padded to one patch", "[patch_grid]") {
  const PatchGrid grid(5, 40, 32, 12);
  CHECK(grid.padded_height == 32);
  CHECK(grid.padded_width == 40);
  CHECK(grid.rows == Offsets{0});
  CHECK(grid.columns == Offsets{0, 8});
  CHECK(grid.count() == 2);
}

TEST_CASE("padding reflects without repeating the edge, as often as needed", "[patch_grid]") {
  const int expected[] = {0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1};
  for (int i = 0; i < 14; ++i) CHECK(PatchGrid::reflected(i, 4) == expected[i]);
  for (int i = 0; i < 5; ++i) CHECK(PatchGrid::reflected(i, 1) == 0);
}
