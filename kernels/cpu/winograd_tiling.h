// SPDX-License-Identifier: Apache-2.0
// What Winograd's convolutions read and write, tile by tile: images, filters and their gradients to the P parts of the
// products, and back. Which products are made of them, and in which order, is in winograd.cpp and
// winograd_resampling.cpp.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/cpu/epilogue.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/panel_product.h"
#include "kernels/cpu/tile_part.h"
#include "kernels/cpu/window_grid.h"
#include "kernels/cpu/winograd_tiles.h"
#include "kernels/cpu/winograd_transforms.h"

namespace clade::kernels::cpu {

/// Tiles of the images of a convolution; those of several samples are numbered sample by sample, row by row. Filters
/// are [taps][cin], gradients and images as the kernels take them (kernels/kernel_list.h).
template <class Scheme>
class WinogradTiling {
  static constexpr int I = Scheme::kInputs;
  static constexpr int T = Scheme::kProducts;
  static constexpr int M = Scheme::kOutputs;
  static constexpr int K = Scheme::kTaps;
  static constexpr int P = T * T;
  static constexpr int F = Scheme::kFactors;
  static constexpr std::int64_t kTaps = K * K;
  // Between a request for the lines of a transform and their stores: tiles, or vectors of channels of a tile.
  static constexpr std::int64_t kTilesAhead = 8, kVectorsAhead = 4;
  // The same of weight gradients, whose filters are taken one after the other; requests past the last do no harm.
  static constexpr std::int64_t kFiltersAhead = 4;

 public:
  /// `shape` must outlive the tiling.
  explicit WinogradTiling(const ConvShape& shape)
      : shape_(shape),
        // Behind upsampling, what a mirrored border reads is the edge pixel itself.
        rows_(shape.h, shape.out_h(), Scheme::kUpsamples ? PadMode::replicate : shape.pad_mode),
        columns_(shape.w, shape.out_w(), Scheme::kUpsamples ? PadMode::replicate : shape.pad_mode),
        per_image_(std::int64_t{rows_.tiles()} * columns_.tiles()),
        out_w_(shape.out_w()),
        row_offsets_(offsets(rows_, shape.w * cin())),
        column_offsets_(offsets(columns_, cin())) {}

  /// Tiles of an image.
  std::int64_t per_image() const { return per_image_; }

  /// Tiles as windows of all the pixels that they read.
  WindowGrid windows() const {
    WindowGrid grid;
    grid.nets = shape_.nets;
    grid.n = shape_.n;
    grid.channels = cin();
    grid.features = cout();
    grid.k = I;
    grid.rows.push_back(rows_);
    grid.columns.push_back(columns_);
    return grid;
  }

  struct Place {
    std::int64_t net, sample;
    int row, column;  // tile
  };
  Place place(std::int64_t net, std::int64_t first, std::int64_t tile) const {
    const auto inside = static_cast<int>(tile % per_image_);
    return {net, first + tile / per_image_, inside / columns_.tiles(), inside % columns_.tiles()};
  }

  /// panel [P][cin][16 tiles].
  void transform_input_panel(const Images& x, std::int64_t net, std::int64_t first, std::int64_t samples,
                             std::int64_t panel, float* out, std::int64_t step) const {
    const std::int64_t begin = panel * kPanel;
    const std::int64_t count = std::min<std::int64_t>(kPanel, samples * per_image_ - begin);
    alignas(64) float turned[P][kPanel][kWideLanes] = {};
    for (std::int64_t channel = 0; channel < cin(); channel += kWideLanes) {
      for (std::int64_t i = 0; i < count; ++i) {
        WideLanes tile[I][I], transformed[T][T];
        prefetch_parts(out + (channel + i) * kPanel, step);
        load_tile(x, place(net, first, begin + i), channel, tile);
        transform(Scheme::kInput, tile, transformed);
        store_parts(transformed, turned[0][i], kPanel * kWideLanes);
      }
      store_turned(turned, out + channel * kPanel, step);
    }
  }

  /// All channels of a tile, parts `step` floats apart.
  void transform_input_row(const Images& x, const Place& at, float* out, std::int64_t step) const {
    for (std::int64_t channel = 0; channel < cin(); channel += kWideLanes) {
      WideLanes tile[I][I], transformed[T][T];
      load_tile(x, at, channel, tile);
      transform(Scheme::kInput, tile, transformed);
      store_parts(transformed, out + channel, step);
    }
  }

  /// `panels` times columns [P][tiles][16 channels].
  void transform_input_columns(const Images& x, std::int64_t net, std::int64_t first, std::int64_t tiles,
                               std::int64_t channel, std::int64_t panels, float* out, std::int64_t step) const {
    for (std::int64_t i = 0; i < tiles; ++i)
      for (std::int64_t part = 0; part < panels * kPanel; part += kWideLanes) {
        WideLanes tile[I][I], transformed[T][T];
        load_tile(x, place(net, first, i), channel + part, tile);
        transform(Scheme::kInput, tile, transformed);
        float* to = out + part / kPanel * P * step + i * kPanel + part % kPanel;
        prefetch_parts(to + std::min(kTilesAhead, tiles - 1 - i) * kPanel, step);
        store_parts(transformed, to, step);
      }
  }

  /// All channels of the output gradient of a tile, in blocks `block_step` apart with parts `step` apart; zeros for a
  /// tile that does not exist. `far`: the lines of `out` are in no near cache, and are asked for.
  void transform_gradient(const Images& dy, const Place& at, bool exists, std::int64_t block, std::int64_t block_step,
                          float* out, std::int64_t step, bool far) const {
    static constexpr auto kSpread = transpose(Scheme::kOutput);
    const float* image = dy.at(at.net, at.sample);
    for (std::int64_t channel = 0; channel < cout(); channel += kWideLanes) {
      WideLanes outputs[M][M], transformed[T][T];
#pragma GCC unroll 8
      for (int i = 0; i < M; ++i)
#pragma GCC unroll 8
        for (int j = 0; j < M; ++j) {
          const int y = rows_.output(at.row, i), x = columns_.output(at.column, j);
          const float* pixel = image + (y * out_w_ + x) * cout() + channel;
          outputs[i][j] = !exists || y < 0 || x < 0 ? WideLanes{} : load<WideLanes>(pixel);
        }
      transform(kSpread.value, outputs, transformed);
      const std::int64_t later = std::min(channel + kVectorsAhead * kWideLanes, cout() - kWideLanes);
      if (far) prefetch_parts(out + later / block * block_step + later % block, step);
      store_parts(transformed, out + channel / block * block_step + channel % block, step);
    }
  }

  /// Asks for 16 channels of a filter's taps ahead of their use. They lie in more rows than hardware follows.
  static void prefetch_filter(const float* w, std::int64_t channels) {
    for (int tap = 0; tap < kTaps; ++tap) __builtin_prefetch(w + tap * channels);
  }

  /// 16 channels of a filter, parts `step` floats apart.
  void transform_filter(const float* w, float* out, std::int64_t step) const {
    for (int half = 0; half < kPanel; half += kWideLanes) {
      WideLanes taps[K][K], transformed[F][F];
      load_filter(w + half, cin(), taps);
      transform(Scheme::kWeight, taps, transformed);
      store_parts(transformed, out + half, step);
    }
  }

  /// 16 filters as a panel [F * F][cin][16 filters].
  void transform_filter_panel(const float* w, float* out, std::int64_t step) const {
    alignas(64) float turned[F * F][kPanel][kWideLanes];
    for (std::int64_t channel = 0; channel < cin(); channel += kWideLanes) {
      for (std::int64_t i = 0; i < kPanel; ++i) {
        WideLanes taps[K][K], transformed[F][F];
        load_filter(w + i * kTaps * cin() + channel, cin(), taps);
        transform(Scheme::kWeight, taps, transformed);
        store_parts(transformed, turned[0][i], kPanel * kWideLanes);
      }
      store_turned(turned, out + channel * kPanel, step);
    }
  }

  /// [P][count][cin] of `count` filters.
  void transform_weights(const float* w, std::int64_t count, float* out, std::int64_t step, std::int64_t row) const {
    for (std::int64_t filter = 0; filter < count; ++filter)
      for (std::int64_t channel = 0; channel < cin(); channel += kPanel) {
        prefetch_filter(w + std::min(filter + 1, count - 1) * kTaps * cin() + channel, cin());
        transform_filter(w + filter * kTaps * cin() + channel, out + filter * row + channel, step);
      }
  }

  /// Panels [P][cout][16 input channels], `size` floats apart; w points to the first of their channels.
  void transform_weight_columns(const float* w, std::int64_t panels, float* out, std::int64_t size,
                                std::int64_t step) const {
    constexpr std::int64_t kAhead = 3;  // filters
    for (std::int64_t filter = 0; filter < cout(); ++filter)
      for (std::int64_t panel = 0; panel < panels; ++panel) {
        const float* taps_of_filter = w + filter * kTaps * cin() + panel * kPanel;
        prefetch_filter(taps_of_filter + std::min(kAhead, cout() - 1 - filter) * kTaps * cin(), cin());
        transform_filter(taps_of_filter, out + panel * size + filter * kPanel, step);
      }
  }

  /// Products [P][count][16 tiles] to outputs [16 tiles][M * M][count].
  static void transform_products(const float* products, std::int64_t step, std::int64_t count, float* outputs) {
    for (std::int64_t channel = 0; channel < count; channel += kLanes)
      for (int half = 0; half < kPanel; half += kWideLanes) {
        alignas(64) float blocks[M * M][kLanes][kWideLanes];
        for (int lane = 0; lane < kLanes; ++lane) {
          WideLanes in[T][T], out[M][M];
          load_parts(products + (channel + lane) * kPanel + half, step, in);
          transform(Scheme::kOutput, in, out);
          for (int o = 0; o < M * M; ++o) store(blocks[o][lane], out[o / M][o % M]);
        }
        for (int o = 0; o < M * M; ++o)
          for (int part = 0; part < kWideLanes; part += kLanes) {
            Lanes block[kLanes];
            for (int lane = 0; lane < kLanes; ++lane) block[lane] = load(blocks[o][lane] + part);
            transpose(block);
            for (int lane = 0; lane < kLanes; ++lane)
              store(outputs + ((half + part + lane) * M * M + o) * count + channel, block[lane]);
          }
      }
  }

  void write_outputs(const float* outputs, std::int64_t count, std::int64_t net, std::int64_t channel,
                     std::int64_t first, std::int64_t samples, std::int64_t panel, const Epilogue& epilogue,
                     float* y) const {
    const std::int64_t begin = panel * kPanel;
    const std::int64_t tiles = std::min<std::int64_t>(kPanel, samples * per_image_ - begin);
    for (std::int64_t i = 0; i < tiles; ++i) {
      const Place at = place(net, first, begin + i);
      float* image = y + (at.net * shape_.n + at.sample) * output_size() + channel;
      for (int o = 0; o < M * M; ++o) {
        const int row = rows_.output(at.row, o / M), column = columns_.output(at.column, o % M);
        if (row < 0 || column < 0) continue;
        const float* from = outputs + (i * M * M + o) * count;
        float* pixel = image + (row * out_w_ + column) * cout();
        for (std::int64_t j = 0; j < count; j += kWideLanes)
          store(pixel + j, epilogue.finished(net, channel + j, load<WideLanes>(from + j), pixel + j));
      }
    }
  }

  /// The outputs of a tile, `count` of its channels, from products [P] at `step`.
  void write_tile(const float* products, std::int64_t step, std::int64_t count, const Place& at, std::int64_t channel,
                  const Epilogue& epilogue, WriteMode mode, float* y) const {
    float* image = y + (at.net * shape_.n + at.sample) * output_size() + channel;
    for (std::int64_t i = 0; i < count; i += kWideLanes) {
      WideLanes in[T][T], out[M][M];
      load_parts(products + i, step, in);
      transform(Scheme::kOutput, in, out);
      for (int o = 0; o < M * M; ++o) {
        const int row = rows_.output(at.row, o / M), column = columns_.output(at.column, o % M);
        float* pixel = image + (row * out_w_ + column) * cout() + i;
        const WideLanes value = epilogue.finished(at.net, channel + i, out[o / M][o % M], pixel);
        store(pixel, mode == WriteMode::overwrite ? value : load<WideLanes>(pixel) + value);
      }
    }
  }

  /// Part (i, j) of the transformed pixels of a tile.
  TilePart<I> input_part(int i, int j) const { return {Scheme::kInput[i], Scheme::kInput[j]}; }
  /// The same of its output gradients.
  TilePart<M> output_part(int i, int j) const {
    static constexpr auto kSpread = transpose(Scheme::kOutput);
    return {kSpread.value[i], kSpread.value[j]};
  }

  /// Such a part of some channels of a tile, `width` channels together, `step` floats apart.
  void write_part(const TilePart<I>& part, const Images& x, const Place& at, const Range& channels, float* out,
                  std::int64_t width, std::int64_t step) const {
    const float* image = x.at(at.net, at.sample) + channels.first;
    const std::int64_t* rows = row_offsets_.data() + at.row * I;
    const std::int64_t* columns = column_offsets_.data() + at.column * I;
    part.write([&](int i, int j) { return (rows[i] | columns[j]) < 0 ? nullptr : image + rows[i] + columns[j]; },
               channels.count, out, width, step);
  }
  void write_part(const TilePart<M>& part, const Images& dy, const Place& at, const Range& channels, float* out,
                  std::int64_t width, std::int64_t step) const {
    const float* image = dy.at(at.net, at.sample) + channels.first;
    part.write(
        [&](int i, int j) {
          return image + (rows_.output(at.row, i) * out_w_ + columns_.output(at.column, j)) * cout();
        },
        channels.count, out, width, step);
  }

  /// The gradients of the pixels that a tile reads, [I * I] rows `row` floats apart, from `count` products [P] at
  /// `step`.
  static void transform_tile_gradient(const float* products, std::int64_t step, std::int64_t count, float* values,
                                      std::int64_t row) {
    static constexpr auto kSpread = transpose(Scheme::kInput);
    for (std::int64_t i = 0; i < count; i += kWideLanes) {
      WideLanes in[T][T], out[I][I];
      load_parts(products + i, step, in);
      transform(kSpread.value, in, out);
      store_parts(out, values + i, row);
    }
  }

  /// Products [P] at `step` to the taps of 16 input channels.
  void gather_weight_gradient(const float* products, std::int64_t step, WriteMode mode, float* dw) const {
    static constexpr auto kGather = transpose(Scheme::kWeight);
    for (int tap = 0; tap < kTaps; ++tap) __builtin_prefetch(dw + (kFiltersAhead * kTaps + tap) * cin(), 1, 2);
    for (int half = 0; half < kPanel; half += kWideLanes) {
      WideLanes in[F][F], taps[K][K];
      load_parts(products + half, step, in);
      transform(kGather.value, in, taps);
      for (int tap = 0; tap < kTaps; ++tap) {
        float* target = dw + tap * cin() + half;
        const WideLanes value = taps[tap / K][tap % K];
        store(target, mode == WriteMode::overwrite ? value : load<WideLanes>(target) + value);
      }
    }
  }

 private:
  std::int64_t cin() const { return shape_.cin; }
  std::int64_t cout() const { return shape_.cout; }
  std::int64_t input_size() const { return std::int64_t{shape_.h} * shape_.w * cin(); }
  std::int64_t output_size() const { return std::int64_t{shape_.out_h()} * shape_.out_w() * cout(); }

  /// Parts of 16 tiles or filters by channels, to parts by channels by 16 tiles or filters.
  template <int N>
  static void store_turned(const float (&turned)[N][kPanel][kWideLanes], float* out, std::int64_t step) {
    for (int p = 0; p < N; ++p)
      for (int part = 0; part < kWideLanes; part += kLanes)
        for (int half = 0; half < kPanel; half += kLanes) {
          Lanes block[kLanes];
          for (int lane = 0; lane < kLanes; ++lane) block[lane] = load(turned[p][half + lane] + part);
          transpose(block);
          for (int lane = 0; lane < kLanes; ++lane) store(out + p * step + (part + lane) * kPanel + half, block[lane]);
        }
  }

  /// Of the pixels that tiles read along an axis, in floats; -1 for zeros.
  static std::vector<std::int64_t> offsets(const Axis<Scheme>& axis, std::int64_t step) {
    std::vector<std::int64_t> result;
    for (int tile = 0; tile < axis.tiles(); ++tile)
      for (int i = 0; i < I; ++i) result.push_back(axis.sources(tile)[i] < 0 ? -1 : axis.sources(tile)[i] * step);
    return result;
  }

  /// A vector of channels of the pixels that a tile reads.
  void load_tile(const Images& x, const Place& at, std::int64_t channel, WideLanes (&tile)[I][I]) const {
    const float* image = x.at(at.net, at.sample) + channel;
    const std::int64_t* rows = row_offsets_.data() + at.row * I;
    const std::int64_t* columns = column_offsets_.data() + at.column * I;
#pragma GCC unroll 8
    for (int i = 0; i < I; ++i)
#pragma GCC unroll 8
      for (int j = 0; j < I; ++j)
        tile[i][j] = (rows[i] | columns[j]) < 0 ? WideLanes{} : load<WideLanes>(image + rows[i] + columns[j]);
  }

  /// Asks for the lines that parts will be stored to. Stores that miss wait for them one after the other.
  static void prefetch_parts(float* to, std::int64_t step) {
    for (int p = 0; p < P; ++p) __builtin_prefetch(to + p * step, 0, 2);
  }

  // The parts of a transform, `step` floats apart. Loops that are not unrolled would keep them in memory.
  template <int N>
  static void store_parts(const WideLanes (&parts)[N][N], float* to, std::int64_t step) {
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i)
#pragma GCC unroll 8
      for (int j = 0; j < N; ++j, to += step) store(to, parts[i][j]);
  }
  template <int N>
  static void load_parts(const float* from, std::int64_t step, WideLanes (&parts)[N][N]) {
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i)
#pragma GCC unroll 8
      for (int j = 0; j < N; ++j, from += step) parts[i][j] = load<WideLanes>(from);
  }

  static void load_filter(const float* w, std::int64_t channels, WideLanes (&filter)[K][K]) {
    for (int tap = 0; tap < kTaps; ++tap) filter[tap / K][tap % K] = load<WideLanes>(w + tap * channels);
  }

  const ConvShape& shape_;
  Axis<Scheme> rows_, columns_;
  std::int64_t per_image_;
  std::int64_t out_w_;  // the shape divides for it
  std::vector<std::int64_t> row_offsets_, column_offsets_;
};

}  // namespace clade::kernels::cpu
