// SPDX-License-Identifier: Apache-2.0
// Tiles out of slices and back. Both gather: a thread writes one value, and overlaps are averaged in tile order, in
// double, so that the average of equal values is that value.
#include "kernels/cuda/loops.cuh"
#include "kernels/kernels.h"

namespace clade::kernels::cuda {

namespace {

struct Tiles {
  TilePositions positions;
  std::int64_t h;
  std::int64_t w;
  std::int64_t size;
};

struct Unfold {
  Tiles tiles;
  const float* slices;
  float* patches;
  __device__ void operator()(std::int64_t i) const {
    const std::int64_t column = i % tiles.size, row = i / tiles.size % tiles.size,
                       patch = i / (tiles.size * tiles.size);
    const std::int64_t per_slice = std::int64_t{tiles.positions.row_count} * tiles.positions.column_count;
    const std::int64_t slice = patch / per_slice, index = patch % per_slice;
    const std::int64_t y = tiles.positions.rows[index / tiles.positions.column_count] + row;
    const std::int64_t x = tiles.positions.columns[index % tiles.positions.column_count] + column;
    patches[i] = slices[(slice * tiles.h + y) * tiles.w + x];
  }
};

// f(value) for each patch that covers pixel `i` of the slices, in index order.
template <class F>
__device__ void visit_patches(const Tiles& tiles, const float* patches, std::int64_t i, F& f) {
  const std::int64_t column = i % tiles.w, row = i / tiles.w % tiles.h, slice = i / (tiles.w * tiles.h);
  const std::int64_t per_slice = std::int64_t{tiles.positions.row_count} * tiles.positions.column_count;
  for (int a = 0; a < tiles.positions.row_count; ++a) {
    const std::int64_t y = row - tiles.positions.rows[a];
    if (y < 0 || y >= tiles.size) continue;
    for (int b = 0; b < tiles.positions.column_count; ++b) {
      const std::int64_t x = column - tiles.positions.columns[b];
      if (x < 0 || x >= tiles.size) continue;
      const std::int64_t patch = slice * per_slice + std::int64_t{a} * tiles.positions.column_count + b;
      f(static_cast<double>(patches[(patch * tiles.size + y) * tiles.size + x]));
    }
  }
}

// Sums of distances from `centre`, and of their squares.
struct Sums {
  double centre;
  double first = 0.0;
  double second = 0.0;
  int count = 0;
  __device__ void operator()(double value) {
    const double distance = value - centre;
    first += distance;
    second += distance * distance;
    ++count;
  }
};

struct Fold {
  Tiles tiles;
  const float* patches;
  float* slices;
  __device__ void operator()(std::int64_t i) const {
    Sums sums{0.0};
    visit_patches(tiles, patches, i, sums);
    slices[i] = sums.count > 0 ? static_cast<float>(sums.first / sums.count) : 0.0f;
  }
};

// Squares of distances from the average cancel nothing; what its rounding moved is taken off.
struct FoldDeviation {
  Tiles tiles;
  const float* patches;
  float* slices;
  __device__ void operator()(std::int64_t i) const {
    Sums sums{static_cast<double>(slices[i])};
    visit_patches(tiles, patches, i, sums);
    const double moved = sums.count > 0 ? sums.first / sums.count : 0.0;
    const double variance = sums.count > 0 ? sums.second / sums.count - moved * moved : 0.0;
    slices[i] = variance > 0.0 ? static_cast<float>(sqrt(variance)) : 0.0f;
  }
};

}  // namespace

void unfold(Stream& stream, const TilePositions& positions, View<const float> slices, View<float> patches) {
  for_each(stream, patches.size(),
           Unfold{{positions, slices.shape[1], slices.shape[2], patches.shape[1]}, slices.data, patches.data});
}

void fold(Stream& stream, const TilePositions& positions, View<const float> patches, View<float> slices) {
  for_each(stream, slices.size(),
           Fold{{positions, slices.shape[1], slices.shape[2], patches.shape[1]}, patches.data, slices.data});
}

void fold_deviation(Stream& stream, const TilePositions& positions, View<const float> patches, View<float> slices) {
  for_each(stream, slices.size(),
           FoldDeviation{{positions, slices.shape[1], slices.shape[2], patches.shape[1]}, patches.data, slices.data});
}

}  // namespace clade::kernels::cuda
