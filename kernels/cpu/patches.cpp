// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/stream.h"
#include "kernels/kernels.h"

namespace clade::kernels::cpu {

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
  const std::int64_t h = slices.shape[1], w = slices.shape[2], size = patches.shape[1];
  const std::int64_t per_slice = std::int64_t{positions.row_count} * positions.column_count;
  stream.pool().parallel_for(slices.shape[0] * h, [&](std::int64_t line) {
    const std::int64_t slice = line / h, row = line % h;
    for (std::int64_t column = 0; column < w; ++column) {
      double sum = 0.0;
      int count = 0;
      for (int i = 0; i < positions.row_count; ++i) {
        const std::int64_t y = row - positions.rows[i];
        if (y < 0 || y >= size) continue;
        for (int j = 0; j < positions.column_count; ++j) {
          const std::int64_t x = column - positions.columns[j];
          if (x < 0 || x >= size) continue;
          const std::int64_t patch = slice * per_slice + std::int64_t{i} * positions.column_count + j;
          sum += patches[(patch * size + y) * size + x];
          ++count;
        }
      }
      slices[line * w + column] = count > 0 ? static_cast<float>(sum / count) : 0.0f;
    }
  });
}

}  // namespace clade::kernels::cpu
