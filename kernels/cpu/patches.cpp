// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "core/stream.h"
#include "kernels/kernels.h"

namespace clade::kernels::cpu {

namespace {

// What `reduce` makes of each pixel: reduce(visit, pixel), where visit(f) calls f(value) for each patch that covers the
// pixel, in index order.
template <class Reduce>
void reduce_patches(Stream& stream, const TilePositions& positions, View<const float> patches, View<float> slices,
                    const Reduce& reduce) {
  const std::int64_t h = slices.shape[1], w = slices.shape[2], size = patches.shape[1];
  const std::int64_t per_slice = std::int64_t{positions.row_count} * positions.column_count;
  stream.pool().parallel_for(slices.shape[0] * h, [&](std::int64_t line) {
    const std::int64_t slice = line / h, row = line % h;
    for (std::int64_t column = 0; column < w; ++column) {
      const auto visit = [&](const auto& f) {
        for (int i = 0; i < positions.row_count; ++i) {
          const std::int64_t y = row - positions.rows[i];
          if (y < 0 || y >= size) continue;
          for (int j = 0; j < positions.column_count; ++j) {
            const std::int64_t x = column - positions.columns[j];
            if (x < 0 || x >= size) continue;
            const std::int64_t patch = slice * per_slice + std::int64_t{i} * positions.column_count + j;
            f(patches[(patch * size + y) * size + x]);
          }
        }
      };
      reduce(visit, slices[line * w + column]);
    }
  });
}

}  // namespace

void unfold(Stream& stream, const TilePositions& positions, View<const float> slices, View<float> patches) {
  const std::int64_t h = slices.shape[1], w = slices.shape[2], size = patches.shape[1];
  const std::int64_t per_slice = std::int64_t{positions.row_count} * positions.column_count;
  stream.pool().parallel_for(slices.shape[0] * per_slice, [&](std::int64_t patch) {
    const std::int64_t slice = patch / per_slice, index = patch % per_slice;
    const float* in = slices.data + (slice * h + positions.rows[index / positions.column_count]) * w +
                      positions.columns[index % positions.column_count];
    float* out = patches.data + patch * size * size;
    for (std::int64_t row = 0; row < size; ++row) std::copy_n(in + row * w, size, out + row * size);
  });
}

// Sums in double, so that the average of equal values is that value.
void fold(Stream& stream, const TilePositions& positions, View<const float> patches, View<float> slices) {
  reduce_patches(stream, positions, patches, slices, [](const auto& visit, float& pixel) {
    double sum = 0.0;
    int count = 0;
    visit([&](float value) {
      sum += value;
      ++count;
    });
    pixel = count > 0 ? static_cast<float>(sum / count) : 0.0f;
  });
}

void fold_deviation(Stream& stream, const TilePositions& positions, View<const float> patches, View<float> slices) {
  reduce_patches(stream, positions, patches, slices, [](const auto& visit, float& pixel) {
    // Squares of distances from the average cancel nothing; what its rounding moved is taken off.
    double sum = 0.0, squares = 0.0;
    int count = 0;
    visit([&](float value) {
      const double distance = static_cast<double>(value) - pixel;
      sum += distance;
      squares += distance * distance;
      ++count;
    });
    const double moved = count > 0 ? sum / count : 0.0;
    pixel = count > 0 ? static_cast<float>(std::sqrt(std::max(squares / count - moved * moved, 0.0))) : 0.0f;
  });
}

}  // namespace clade::kernels::cpu
