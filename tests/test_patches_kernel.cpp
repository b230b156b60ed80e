// SPDX-License-Identifier: Apache-2.0
#include "core/device.h"
#include "kernels/kernels.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"
#include "tests/support/random_data.h"

using namespace clade;
using namespace clade::kernels;
using namespace clade::test;

namespace {

struct Tiling {
  Tiling(std::vector<std::int32_t> row_list, std::vector<std::int32_t> column_list)
      : rows(std::move(row_list)), columns(std::move(column_list)) {}
  TilePositions positions() const {
    return {rows.data(), columns.data(), static_cast<int>(rows.size()), static_cast<int>(columns.size())};
  }
  std::int64_t count() const { return static_cast<std::int64_t>(rows.size() * columns.size()); }
  std::vector<std::int32_t> rows, columns;
};

}  // namespace

TEST_CASE("Unfold cuts patches slice after slice", "[patches]") {
  ThreadPool pool(2);
  Stream stream(Device{}, pool);
  const Tiling tiling({0, 1}, {0, 2});
  std::vector<float> slices(2 * 3 * 4);
  for (std::size_t i = 0; i < slices.size(); ++i) slices[i] = static_cast<float>(i);
  std::vector<float> patches(2 * 4 * 2 * 2);
  cpu::unfold(stream, tiling.positions(), view(std::as_const(slices), {2, 3, 4}), view(patches, {8, 2, 2}));
  CHECK(patches == std::vector<float>{0,  1,  4,  5,  2,  3,  6,  7,  4,  5,  8,  9,  6,  7,  10, 11,
                                      12, 13, 16, 17, 14, 15, 18, 19, 16, 17, 20, 21, 18, 19, 22, 23});
}

TEST_CASE("Fold averages what covers a pixel", "[patches]") {
  ThreadPool pool(2);
  Stream stream(Device{}, pool);
  const Tiling tiling({0}, {0, 1});
  std::vector<float> slices(2 * 3, -1.0f);
  cpu::fold(stream, tiling.positions(), view(std::vector<float>{1, 2, 3, 4, 10, 20, 30, 40}, {2, 2, 2}),
            view(slices, {1, 2, 3}));
  CHECK(slices == std::vector<float>{1, 6, 20, 3, 17, 40});
}

TEST_CASE("Fold undoes unfold exactly, for any overlap and number of threads", "[patches]") {
  // Even overlap, odd remainders, and a position given twice.
  const auto tiling = GENERATE(Tiling({0, 5, 10}, {0, 5, 10, 14}), Tiling({0, 3, 6, 9, 10}, {0, 1, 2, 7, 11, 14}),
                               Tiling({0, 0, 10}, {0, 10, 14}));
  const Shape slice_shape{3, 20, 24}, patch_shape{3 * tiling.count(), 10, 10};
  const std::vector<float> slices = normal_values(slice_shape.size(), 1);
  for (const int threads : {1, 2, 3}) {
    ThreadPool pool(threads);
    Stream stream(Device{}, pool);
    std::vector<float> patches(static_cast<std::size_t>(patch_shape.size())), folded(slices.size(), -1.0f);
    cpu::unfold(stream, tiling.positions(), view(slices, slice_shape), view(patches, patch_shape));
    cpu::fold(stream, tiling.positions(), view(std::as_const(patches), patch_shape), view(folded, slice_shape));
    CHECK(same_bits(folded, slices));
  }
}
