// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/conv_thin.h"

#include <algorithm>

#include "kernels/cpu/axis_map.h"
#include "kernels/cpu/gemm.h"

namespace clade::kernels::cpu {

namespace {

constexpr std::int64_t kChunkFloats = std::int64_t{1} << 20;
constexpr std::int64_t kTilePixels = 256;
constexpr std::int64_t kTileChannels = 32;

/// Sizes of the problem; `taps` counts k * k.
struct Thin {
  explicit Thin(const ConvShape& s)
      : nets(s.nets),
        n(s.n),
        k(s.k),
        h(s.h),
        w(s.w),
        pixels(std::int64_t{s.h} * s.w),
        channels(s.cin),
        taps(std::int64_t{s.k} * s.k),
        stride(s.stride),
        pad(s.pad),
        out_w(s.out_w()),
        out_pixels(std::int64_t{s.out_h()} * s.out_w()),
        rows(s.h, s.out_h(), s.k, s.stride, s.pad, s.pad_mode),
        columns(s.w, s.out_w(), s.k, s.stride, s.pad, s.pad_mode) {}

  /// Columns whose tap reads pixel column + shift: all but those at the border.
  struct Run {
    int begin, end, shift;
  };
  Run inside(int tap) const {
    if (stride != 1) return {0, 0, 0};
    const int shift = tap - pad, begin = std::clamp(-shift, 0, out_w);
    return {begin, std::clamp(w - shift, begin, out_w), shift};
  }

  std::int64_t chunk() const { return std::clamp<std::int64_t>(kChunkFloats / (nets * taps * pixels), 1, n); }

  std::int64_t nets, n;
  int k, h, w;
  std::int64_t pixels, channels, taps;
  int stride, pad, out_w;
  std::int64_t out_pixels;
  AxisMap rows, columns;
};

/// y row = sum over taps of the products [taps, pixels], each shifted to where its tap reads.
void add_shifted(const Thin& thin, int row, const float* products, float* y) {
  std::fill_n(y, thin.out_w, 0.0f);
  for (int tap_row = 0; tap_row < thin.k; ++tap_row) {
    const int source_row = thin.rows.source(row, tap_row);
    if (source_row < 0) continue;
    for (int tap = 0; tap < thin.k; ++tap) {
      const float* line = products + (tap_row * thin.k + tap) * thin.pixels + source_row * thin.w;
      const auto add = [&](int begin, int end) {
        for (int column = begin; column < end; ++column) {
          const int source = thin.columns.source(column, tap);
          if (source >= 0) y[column] += line[source];
        }
      };
      const Thin::Run inside = thin.inside(tap);
      add(0, inside.begin);
      for (int column = inside.begin; column < inside.end; ++column) y[column] += line[column + inside.shift];
      add(inside.end, thin.out_w);
    }
  }
}

/// Adjoint of `add_shifted` for one image row: spread [w, taps] holds the sum of dy over the windows whose tap reads
/// the pixel.
void spread_row(const Thin& thin, int row, const float* dy, float* spread) {
  std::fill_n(spread, thin.w * thin.taps, 0.0f);
  for (int pixel = 0; pixel < thin.w; ++pixel, spread += thin.taps)
    for (const auto& vertical : thin.rows.readers(row))
      for (const auto& horizontal : thin.columns.readers(pixel))
        spread[vertical.tap * thin.k + horizontal.tap] += dy[vertical.window * thin.out_w + horizontal.window];
}

/// Spread dy of samples [first, first + count) of every net: [nets, count, pixels, taps].
View<float> spread_chunk(Stream& stream, const Thin& thin, const float* dy, std::int64_t first, std::int64_t count) {
  const View<float> spread = stream.scratch().view<float>({thin.nets, count, thin.pixels, thin.taps});
  stream.pool().parallel_for(thin.nets * count * thin.h, [&](std::int64_t task) {
    const std::int64_t net = task / (count * thin.h);
    const std::int64_t sample = first + task / thin.h % count;
    spread_row(thin, static_cast<int>(task % thin.h), dy + (net * thin.n + sample) * thin.out_pixels,
               spread.data + task * thin.w * thin.taps);
  });
  return spread;
}

}  // namespace

void thin_forward(Stream& stream, const ConvShape& shape, const float* x, const float* w, const Epilogue& epilogue,
                  float* y) {
  const Thin thin(shape);
  const Blocks blocks(thin.pixels, kTilePixels);
  const int out_h = shape.out_h();
  for (std::int64_t first = 0; first < thin.n; first += thin.chunk()) {
    const std::int64_t count = std::min(thin.chunk(), thin.n - first);
    const ArenaScope scope(stream.scratch());
    const View<float> products = stream.scratch().view<float>({thin.nets, count, thin.taps, thin.pixels});
    stream.pool().parallel_for(thin.nets * count * blocks.count(), [&](std::int64_t task) {
      const std::int64_t image = task / blocks.count(), block = task % blocks.count();
      const std::int64_t net = image / count, sample = first + image % count;
      const Matrix pixels(x + (net * thin.n + sample) * thin.pixels * thin.channels, thin.pixels, thin.channels);
      const Matrix filters(w + net * thin.taps * thin.channels, thin.taps, thin.channels);
      multiply(filters, pixels.row_block(blocks.first(block), blocks.size(block)).transpose(), WriteMode::overwrite,
               products.data + image * thin.taps * thin.pixels + blocks.first(block), thin.pixels);
    });
    stream.pool().parallel_for(thin.nets * count * out_h, [&](std::int64_t task) {
      const std::int64_t image = task / out_h;
      const std::int64_t net = image / count, sample = first + image % count;
      const int row = static_cast<int>(task % out_h);
      float* out = y + (net * thin.n + sample) * thin.out_pixels + row * thin.out_w;
      add_shifted(thin, row, products.data + image * thin.taps * thin.pixels, out);
      for (int column = 0; column < thin.out_w; ++column) epilogue.apply(net, 0, 1, out + column);
    });
  }
}

void thin_backward_input(Stream& stream, const ConvShape& shape, const float* dy, const float* w, WriteMode mode,
                         float* dx) {
  const Thin thin(shape);
  for (std::int64_t first = 0; first < thin.n; first += thin.chunk()) {
    const std::int64_t count = std::min(thin.chunk(), thin.n - first);
    const ArenaScope scope(stream.scratch());
    const View<float> spread = spread_chunk(stream, thin, dy, first, count);
    const Blocks blocks(count * thin.pixels, kTilePixels);
    stream.pool().parallel_for(thin.nets * blocks.count(), [&](std::int64_t task) {
      const std::int64_t net = task / blocks.count(), block = task % blocks.count();
      const Matrix in(spread.data + net * count * thin.pixels * thin.taps, count * thin.pixels, thin.taps);
      const Matrix filters(w + net * thin.taps * thin.channels, thin.taps, thin.channels);
      multiply(in.row_block(blocks.first(block), blocks.size(block)), filters, mode,
               dx + ((net * thin.n + first) * thin.pixels + blocks.first(block)) * thin.channels, thin.channels);
    });
  }
}

void thin_backward_weight(Stream& stream, const ConvShape& shape, const float* x, const float* dy, WriteMode mode,
                          float* dw) {
  const Thin thin(shape);
  const Blocks blocks(thin.channels, kTileChannels);
  for (std::int64_t first = 0; first < thin.n; first += thin.chunk()) {
    const std::int64_t count = std::min(thin.chunk(), thin.n - first);
    const ArenaScope scope(stream.scratch());
    const View<float> spread = spread_chunk(stream, thin, dy, first, count);
    stream.pool().parallel_for(thin.nets * blocks.count(), [&](std::int64_t task) {
      const std::int64_t net = task / blocks.count(), block = task % blocks.count();
      const Matrix in(spread.data + net * count * thin.pixels * thin.taps, count * thin.pixels, thin.taps);
      const Matrix pixels(x + (net * thin.n + first) * thin.pixels * thin.channels, count * thin.pixels, thin.channels);
      multiply(in.transpose(), pixels.column_block(blocks.first(block), blocks.size(block)),
               first == 0 ? mode : WriteMode::accumulate, dw + net * thin.taps * thin.channels + blocks.first(block),
               thin.channels);
    });
  }
}

}  // namespace clade::kernels::cpu
