// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/window_grid.h"

#include <algorithm>

#include "kernels/cpu/gemm.h"

namespace clade::kernels::cpu {

namespace {

// Unrolled windows are worked off in chunks of samples that stay in the cache.
constexpr std::int64_t kChunkFloats = std::int64_t{1} << 20;

// Tiles of the products: large ones pack their right factor less often for the same work, small ones keep every thread
// busy. The depth of a window, which is long, is cut by itself where it is a side of the result.
constexpr std::int64_t kLargeTile = 256;
constexpr std::int64_t kSmallTile = 128;
constexpr std::int64_t kTileDepth = 640;

/// Samples [first, first + count) of every net.
struct Chunk {
  std::int64_t first;
  std::int64_t count;
};

template <class Body>
void for_each_chunk(const WindowGrid& grid, const Body& body) {
  const std::int64_t sample = grid.groups() * grid.windows() * grid.depth();
  const std::int64_t step = std::clamp<std::int64_t>(kChunkFloats / sample, 1, grid.n);
  for (std::int64_t first = 0; first < grid.n; first += step) body(Chunk{first, std::min(step, grid.n - first)});
}

/// The unrolled windows of a chunk: [groups, samples, windows, depth].
View<float> allocate_columns(Stream& stream, const WindowGrid& grid, const Chunk& chunk) {
  return stream.scratch().view<float>({grid.groups(), chunk.count, grid.windows(), grid.depth()});
}

/// Images of one channel make lines of a few floats, where calling memcpy would cost more than the copy: known lengths
/// are inlined.
void copy_line(const float* in, std::int64_t count, float* out) {
  switch (count) {
    case 1:
      *out = *in;
      break;
    case 4:
      std::copy_n(in, 4, out);
      break;
    case 7:
      std::copy_n(in, 7, out);
      break;
    default:
      std::copy_n(in, count, out);
      break;
  }
}

/// Copies one grid row of windows.
void unroll_row(const WindowGrid& grid, std::int64_t phase, int row, const float* image, float* out) {
  const AxisMap& rows = grid.row_map(phase);
  const AxisMap& columns = grid.column_map(phase);
  const std::int64_t channels = grid.channels;
  const std::int64_t line = grid.k * channels;
  for (int column = 0; column < grid.grid_w(); ++column) {
    for (int tap_row = 0; tap_row < grid.k; ++tap_row, out += line) {
      const int source_row = rows.source(row, tap_row);
      if (source_row < 0) {
        std::fill_n(out, line, 0.0f);
        continue;
      }
      const float* in = image + source_row * grid.image_w() * channels;
      if (columns.contiguous(column)) {
        copy_line(in + columns.source(column, 0) * channels, line, out);
        continue;
      }
      for (int tap = 0; tap < grid.k; ++tap) {
        const int source = columns.source(column, tap);
        if (source < 0) {
          std::fill_n(out + tap * channels, channels, 0.0f);
        } else {
          copy_line(in + source * channels, channels, out + tap * channels);
        }
      }
    }
  }
}

void unroll(Stream& stream, const WindowGrid& grid, const Chunk& chunk, const float* image, View<float> columns) {
  const int grid_h = grid.grid_h();
  stream.pool().parallel_for(grid.groups() * chunk.count * grid_h, [&](std::int64_t task) {
    const std::int64_t group = task / (chunk.count * grid_h);
    const std::int64_t sample = task / grid_h % chunk.count;
    const std::int64_t net = group / grid.phases();
    unroll_row(grid, group % grid.phases(), static_cast<int>(task % grid_h),
               image + (net * grid.n + chunk.first + sample) * grid.image_size(),
               columns.data + task * grid.grid_w() * grid.depth());
  });
}

/// Calls body(values of the tap) for every window that reads a pixel, in order.
template <class Body>
void for_each_reader(const WindowGrid& grid, std::int64_t phase, int row, int column, const float* windows,
                     const Body& body) {
  for (const auto& vertical : grid.row_map(phase).readers(row))
    for (const auto& horizontal : grid.column_map(phase).readers(column))
      body(windows + (vertical.window * grid.grid_w() + horizontal.window) * grid.depth() +
           (vertical.tap * grid.k + horizontal.tap) * grid.channels);
}

/// Adjoint of unrolling for one image row, in gather form: each pixel adds up the taps that read it.
void roll_row(const WindowGrid& grid, const Chunk& chunk, std::int64_t net, std::int64_t sample, int row,
              View<const float> columns, float* out) {
  const std::int64_t channels = grid.channels;
  for (std::int64_t phase = 0; phase < grid.phases(); ++phase) {
    const std::int64_t image = (net * grid.phases() + phase) * chunk.count + sample;
    const float* windows = columns.data + image * grid.windows() * grid.depth();
    for (int pixel = 0; pixel < grid.image_w(); ++pixel) {
      float* sum = out + pixel * channels;
      if (channels == 1) {  // a chain of additions belongs in a register, not in memory
        float total = 0.0f;
        for_each_reader(grid, phase, row, pixel, windows, [&](const float* in) { total += *in; });
        *sum += total;
      } else {
        for_each_reader(grid, phase, row, pixel, windows, [&](const float* in) {
          for (std::int64_t channel = 0; channel < channels; ++channel) sum[channel] += in[channel];
        });
      }
    }
  }
}

void roll(Stream& stream, const WindowGrid& grid, const Chunk& chunk, View<const float> columns,
          const Epilogue& epilogue, WriteMode mode, float* image) {
  const int image_h = grid.image_h();
  const int image_w = grid.image_w();
  stream.pool().parallel_for(grid.nets * chunk.count * image_h, [&](std::int64_t task) {
    const std::int64_t net = task / (chunk.count * image_h);
    const std::int64_t sample = task / image_h % chunk.count;
    const int row = static_cast<int>(task % image_h);
    float* out = image + (net * grid.n + chunk.first + sample) * grid.image_size() + row * image_w * grid.channels;
    if (mode == WriteMode::overwrite) std::fill_n(out, image_w * grid.channels, 0.0f);
    roll_row(grid, chunk, net, sample, row, columns, out);
    for (int pixel = 0; pixel < image_w; ++pixel) epilogue.apply(net, 0, grid.channels, out + pixel * grid.channels);
  });
}

/// The results of the groups' products, cut into tiles.
struct Tiles {
  Blocks rows, columns;
  std::int64_t count() const { return rows.count() * columns.count(); }
};

/// `cut` makes the tiles from the length of a side.
template <class Cut>
Tiles make_tiles(const Stream& stream, const WindowGrid& grid, const Cut& cut) {
  const Tiles large = cut(kLargeTile);
  return grid.groups() * large.count() >= stream.pool().size() ? large : cut(kSmallTile);
}

/// Calls body(group, row block, column block) for every tile, in parallel.
template <class Body>
void for_each_tile(Stream& stream, const WindowGrid& grid, const Tiles& tiles, const Body& body) {
  stream.pool().parallel_for(grid.groups() * tiles.count(), [&](std::int64_t task) {
    const std::int64_t tile = task % tiles.count();
    body(task / tiles.count(), tile / tiles.columns.count(), tile % tiles.columns.count());
  });
}

}  // namespace

void correlate(Stream& stream, const WindowGrid& grid, const float* image, const float* weights,
               const Epilogue& epilogue, WriteMode mode, float* features) {
  for_each_chunk(grid, [&](const Chunk& chunk) {
    const ArenaScope scope(stream.scratch());
    const View<float> columns = allocate_columns(stream, grid, chunk);
    unroll(stream, grid, chunk, image, columns);

    const std::int64_t row_count = chunk.count * grid.windows();
    const Tiles tiles = make_tiles(stream, grid, [&](std::int64_t side) {
      return Tiles{{row_count, side}, {grid.features, side}};
    });
    for_each_tile(stream, grid, tiles, [&](std::int64_t group, std::int64_t i, std::int64_t j) {
      const std::int64_t first_row = tiles.rows.first(i), rows = tiles.rows.size(i);
      const std::int64_t first = tiles.columns.first(j), count = tiles.columns.size(j);
      const Matrix unrolled(columns.data + group * row_count * grid.depth(), row_count, grid.depth());
      const Matrix filters(weights + group * grid.features * grid.depth(), grid.features, grid.depth());
      float* out = features + ((group * grid.n + chunk.first) * grid.windows() + first_row) * grid.features + first;
      multiply(unrolled.row_block(first_row, rows), filters.row_block(first, count).transpose(), mode, out,
               grid.features);
      for (std::int64_t row = 0; row < rows; ++row)
        epilogue.apply(group / grid.phases(), first, count, out + row * grid.features);
    });
  });
}

void correlate_adjoint(Stream& stream, const WindowGrid& grid, const float* features, const float* weights,
                       const Epilogue& epilogue, WriteMode mode, float* image) {
  for_each_chunk(grid, [&](const Chunk& chunk) {
    const ArenaScope scope(stream.scratch());
    const View<float> columns = allocate_columns(stream, grid, chunk);

    const std::int64_t row_count = chunk.count * grid.windows();
    const Tiles tiles = make_tiles(stream, grid, [&](std::int64_t side) {
      return Tiles{{row_count, side}, {grid.depth(), kTileDepth}};
    });
    for_each_tile(stream, grid, tiles, [&](std::int64_t group, std::int64_t i, std::int64_t j) {
      const Matrix in(features + (group * grid.n + chunk.first) * grid.windows() * grid.features, row_count,
                      grid.features);
      const Matrix filters(weights + group * grid.features * grid.depth(), grid.features, grid.depth());
      multiply(in.row_block(tiles.rows.first(i), tiles.rows.size(i)),
               filters.column_block(tiles.columns.first(j), tiles.columns.size(j)), WriteMode::overwrite,
               columns.data + (group * row_count + tiles.rows.first(i)) * grid.depth() + tiles.columns.first(j),
               grid.depth());
    });
    roll(stream, grid, chunk, columns, epilogue, mode, image);
  });
}

void correlate_weight_gradient(Stream& stream, const WindowGrid& grid, const float* image, const float* features,
                               WriteMode mode, float* dweights) {
  for_each_chunk(grid, [&](const Chunk& chunk) {
    const ArenaScope scope(stream.scratch());
    const View<float> columns = allocate_columns(stream, grid, chunk);
    unroll(stream, grid, chunk, image, columns);

    const std::int64_t row_count = chunk.count * grid.windows();
    const Tiles tiles = make_tiles(stream, grid, [&](std::int64_t side) {
      return Tiles{{grid.features, side}, {grid.depth(), kTileDepth}};
    });
    for_each_tile(stream, grid, tiles, [&](std::int64_t group, std::int64_t i, std::int64_t j) {
      const Matrix unrolled(columns.data + group * row_count * grid.depth(), row_count, grid.depth());
      const Matrix in(features + (group * grid.n + chunk.first) * grid.windows() * grid.features, row_count,
                      grid.features);
      multiply(in.column_block(tiles.rows.first(i), tiles.rows.size(i)).transpose(),
               unrolled.column_block(tiles.columns.first(j), tiles.columns.size(j)),
               chunk.first == 0 ? mode : WriteMode::accumulate,
               dweights + (group * grid.features + tiles.rows.first(i)) * grid.depth() + tiles.columns.first(j),
               grid.depth());
    });
  });
}

}  // namespace clade::kernels::cpu
