// SPDX-License-Identifier: Apache-2.0
#include "tests/support/backend.h"
#include "tests/support/compare.h"
#include "tests/support/random_data.h"

using namespace clade;
using namespace clade::kernels;
using namespace clade::test;

namespace {

struct Tiling {
  Tiling(std::vector<std::int32_t> row_list, std::vector<std::int32_t> column_list)
      : rows(std::move(row_list)), columns(std::move(column_list)) {}
  std::int64_t count() const { return static_cast<std::int64_t>(rows.size() * columns.size()); }
  std::vector<std::int32_t> rows, columns;
};

/// The positions on a device.
struct DeviceTiling {
  DeviceTiling(Stream& stream, const Tiling& tiling)
      : row_count(static_cast<int>(tiling.rows.size())),
        column_count(static_cast<int>(tiling.columns.size())),
        rows(stream, {row_count}, tiling.rows),
        columns(stream, {column_count}, tiling.columns) {}
  TilePositions positions() { return {rows.data(), columns.data(), row_count, column_count}; }
  int row_count, column_count;
  DeviceArray<std::int32_t> rows, columns;
};

std::vector<float> run_unfold(Stream& stream, const Tiling& tiling, const Shape& slice_shape,
                              const std::vector<float>& slices, const Shape& patch_shape) {
  DeviceTiling on_device(stream, tiling);
  DeviceArray<float> patches(stream, patch_shape);
  CLADE_KERNEL(unfold)(stream, on_device.positions(), DeviceArray(stream, slice_shape, slices), patches);
  return patches.values();
}

std::vector<float> run_fold(Stream& stream, const Tiling& tiling, const Shape& patch_shape,
                            const std::vector<float>& patches, const Shape& slice_shape) {
  DeviceTiling on_device(stream, tiling);
  DeviceArray<float> slices(stream, slice_shape);
  CLADE_KERNEL(fold)(stream, on_device.positions(), DeviceArray(stream, patch_shape, patches), slices);
  return slices.values();
}

// In place of the average, as in super-resolution.
std::vector<float> run_fold_deviation(Stream& stream, const Tiling& tiling, const Shape& patch_shape,
                                      const std::vector<float>& patches, const Shape& slice_shape) {
  DeviceTiling on_device(stream, tiling);
  const DeviceArray<float> input(stream, patch_shape, patches);
  DeviceArray<float> slices(stream, slice_shape);
  CLADE_KERNEL(fold)(stream, on_device.positions(), input, slices);
  CLADE_KERNEL(fold_deviation)(stream, on_device.positions(), input, slices);
  return slices.values();
}

}  // namespace

TEST_CASE("Unfold cuts patches slice after slice", "[patches]") {
  ON_EVERY_DEVICE(stream);
  const Tiling tiling({0, 1}, {0, 2});
  std::vector<float> slices(2 * 3 * 4);
  for (std::size_t i = 0; i < slices.size(); ++i) slices[i] = static_cast<float>(i);
  CHECK(run_unfold(stream, tiling, {2, 3, 4}, slices, {8, 2, 2}) ==
        std::vector<float>{0,  1,  4,  5,  2,  3,  6,  7,  4,  5,  8,  9,  6,  7,  10, 11,
                           12, 13, 16, 17, 14, 15, 18, 19, 16, 17, 20, 21, 18, 19, 22, 23});
}

TEST_CASE("Fold averages what covers a pixel", "[patches]") {
  ON_EVERY_DEVICE(stream);
  const Tiling tiling({0}, {0, 1});
  CHECK(run_fold(stream, tiling, {2, 2, 2}, {1, 2, 3, 4, 10, 20, 30, 40}, {1, 2, 3}) ==
        std::vector<float>{1, 6, 20, 3, 17, 40});
}

TEST_CASE("Fold undoes unfold exactly, for any overlap and number of threads", "[patches]") {
  // Even overlap, odd remainders, and a position given twice.
  const auto tiling = GENERATE(Tiling({0, 5, 10}, {0, 5, 10, 14}), Tiling({0, 3, 6, 9, 10}, {0, 1, 2, 7, 11, 14}),
                               Tiling({0, 0, 10}, {0, 10, 14}));
  const Shape slice_shape{3, 20, 24}, patch_shape{3 * tiling.count(), 10, 10};
  const std::vector<float> slices = normal_values(slice_shape.size(), 1);
  const Device device = GENERATE(from_range(test_devices()));
  INFO("on " << device);
  for (const int threads : {1, 2, 3}) {
    TestStream test(device, threads);
    const std::vector<float> patches = run_unfold(test.stream, tiling, slice_shape, slices, patch_shape);
    CHECK(same_bits(run_fold(test.stream, tiling, patch_shape, patches, slice_shape), slices));
  }
}

TEST_CASE("The deviation of a fold is that of what covers a pixel", "[patches]") {
  ON_EVERY_DEVICE(stream);
  const Tiling tiling({0}, {0, 1});
  CHECK(run_fold_deviation(stream, tiling, {2, 2, 2}, {1, 2, 3, 4, 10, 20, 30, 40}, {1, 2, 3}) ==
        std::vector<float>{0, 4, 0, 0, 13, 0});
  // Far from zero, where a difference of large squares would be lost: 16000000 and four more or less.
  CHECK(run_fold_deviation(stream, tiling, {2, 2, 2}, {0, 15999996, 0, 16e6f, 16000004, 0, 16000001, 0}, {1, 2, 3}) ==
        std::vector<float>{0, 4, 0, 0, 0.5f, 0});
}

TEST_CASE("The deviation of a fold of equal patches is exactly zero, for any overlap and number of threads",
          "[patches]") {
  const auto tiling = GENERATE(Tiling({0, 5, 10}, {0, 5, 10, 14}), Tiling({0, 3, 6, 9, 10}, {0, 1, 2, 7, 11, 14}));
  const Shape slice_shape{2, 20, 24}, patch_shape{2 * tiling.count(), 10, 10};
  const std::vector<float> slices = normal_values(slice_shape.size(), 1);
  const Device device = GENERATE(from_range(test_devices()));
  INFO("on " << device);
  for (const int threads : {1, 2, 3}) {
    TestStream test(device, threads);
    const std::vector<float> patches = run_unfold(test.stream, tiling, slice_shape, slices, patch_shape);
    CHECK(run_fold_deviation(test.stream, tiling, patch_shape, patches, slice_shape) ==
          std::vector<float>(slices.size(), 0.0f));
  }
}
