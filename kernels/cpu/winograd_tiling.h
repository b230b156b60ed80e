// SPDX-License-Identifier: Apache-2.0
// What Winograd's convolutions read and write, tile by tile: images, filters and their gradients to the P parts of the
// products, and back. Which products are made of them, and in which order, is in winograd.cpp.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/epilogue.h"
#include "kernels/cpu/panel_product.h"
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
  static constexpr std::int64_t kTaps = K * K;
  // Tiles between a request for the lines of a transform and their stores.
  static constexpr std::int64_t kTilesAhead = 4;

 public:
  /// `shape` must outlive the tiling.
  explicit WinogradTiling(const ConvShape& shape)
      : shape_(shape),
        // Behind upsampling, what a mirrored border reads is the edge pixel itself.
        rows_(shape.h, shape.out_h(), Scheme::kUpsamples ? PadMode::replicate : shape.pad_mode),
        columns_(shape.w, shape.out_w(), Scheme::kUpsamples ? PadMode::replicate : shape.pad_mode),
        per_image_(std::int64_t{rows_.tiles()} * columns_.tiles()) {}

  /// Tiles of an image.
  std::int64_t per_image() const { return per_image_; }

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
      for (int p = 0; p < P; ++p)
        for (int part = 0; part < kWideLanes; part += kLanes)
          for (int half = 0; half < kPanel; half += kLanes) {
            Lanes block[kLanes];
            for (int lane = 0; lane < kLanes; ++lane) block[lane] = load(turned[p][half + lane] + part);
            transpose(block);
            for (int lane = 0; lane < kLanes; ++lane)
              store(out + p * step + (channel + part + lane) * kPanel + half, block[lane]);
          }
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
  /// tile that does not exist.
  void transform_gradient(const Images& dy, const Place& at, bool exists, std::int64_t block, std::int64_t block_step,
                          float* out, std::int64_t step) const {
    static constexpr auto kSpread = transpose(Scheme::kOutput);
    const float* image = dy.at(at.net, at.sample);
    for (std::int64_t channel = 0; channel < cout(); channel += kWideLanes) {
      WideLanes outputs[M][M], transformed[T][T];
#pragma GCC unroll 8
      for (int i = 0; i < M; ++i)
#pragma GCC unroll 8
        for (int j = 0; j < M; ++j) {
          const int y = rows_.output(at.row, i), x = columns_.output(at.column, j);
          const float* pixel = image + (std::int64_t{y} * shape_.out_w() + x) * cout() + channel;
          outputs[i][j] = !exists || y < 0 || x < 0 ? WideLanes{} : load<WideLanes>(pixel);
        }
      transform(kSpread.value, outputs, transformed);
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
      WideLanes taps[K][K], transformed[T][T];
      load_filter(w + half, cin(), taps);
      transform(Scheme::kWeight, taps, transformed);
      store_parts(transformed, out + half, step);
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

  void write_outputs(float* outputs, std::int64_t count, std::int64_t net, std::int64_t channel, std::int64_t first,
                     std::int64_t samples, std::int64_t panel, const Epilogue& epilogue, float* y) const {
    const std::int64_t begin = panel * kPanel;
    const std::int64_t tiles = std::min<std::int64_t>(kPanel, samples * per_image_ - begin);
    for (std::int64_t i = 0; i < tiles; ++i) {
      const Place at = place(net, first, begin + i);
      float* image = y + (at.net * shape_.n + at.sample) * output_size() + channel;
      for (int o = 0; o < M * M; ++o) {
        const int row = rows_.output(at.row, o / M), column = columns_.output(at.column, o % M);
        if (row < 0 || column < 0) continue;
        float* pixel = outputs + (i * M * M + o) * count;
        epilogue.apply(net, channel, count, pixel);
        std::copy_n(pixel, count, image + (std::int64_t{row} * shape_.out_w() + column) * cout());
      }
    }
  }

  /// Zeros in `count` channels of some samples.
  void clear(float* dx, std::int64_t net, std::int64_t first, std::int64_t samples, std::int64_t channel,
             std::int64_t count) const {
    float* pixels = dx + (net * shape_.n + first) * input_size() + channel;
    for (std::int64_t i = 0; i < samples * shape_.h * shape_.w; ++i) std::fill_n(pixels + i * cin(), count, 0.0f);
  }

  /// Adds the gradient of a tile, products [P] at `step`, to the pixels it was read from.
  void scatter(const float* products, std::int64_t step, std::int64_t net, std::int64_t first, std::int64_t tile,
               std::int64_t channel, float* dx) const {
    static constexpr auto kSpread = transpose(Scheme::kInput);
    const Place at = place(net, first, tile);
    float* image = dx + (at.net * shape_.n + at.sample) * input_size() + channel;
    const int* rows = rows_.sources(at.row);
    const int* columns = columns_.sources(at.column);
    for (int half = 0; half < kPanel; half += kWideLanes) {
      WideLanes in[T][T], out[I][I];
      load_parts(products + half, step, in);
      transform(kSpread.value, in, out);
#pragma GCC unroll 8
      for (int i = 0; i < I; ++i)
#pragma GCC unroll 8
        for (int j = 0; j < I; ++j) {
          if (rows[i] < 0 || columns[j] < 0) continue;
          float* pixel = image + (std::int64_t{rows[i]} * shape_.w + columns[j]) * cin() + half;
          store(pixel, load<WideLanes>(pixel) + out[i][j]);
        }
    }
  }

  /// Products [P] at `step` to the taps of 16 input channels.
  void gather_weight_gradient(const float* products, std::int64_t step, WriteMode mode, float* dw) const {
    static constexpr auto kGather = transpose(Scheme::kWeight);
    for (int half = 0; half < kPanel; half += kWideLanes) {
      WideLanes in[T][T], taps[K][K];
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

  /// A vector of channels of the pixels that a tile reads.
  void load_tile(const Images& x, const Place& at, std::int64_t channel, WideLanes (&tile)[I][I]) const {
    const float* image = x.at(at.net, at.sample) + channel;
    const int* rows = rows_.sources(at.row);
    const int* columns = columns_.sources(at.column);
#pragma GCC unroll 8
    for (int i = 0; i < I; ++i)
#pragma GCC unroll 8
      for (int j = 0; j < I; ++j) {
        const bool inside = rows[i] >= 0 && columns[j] >= 0;
        const float* pixel = image + (std::int64_t{rows[i]} * shape_.w + columns[j]) * cin();
        tile[i][j] = inside ? load<WideLanes>(pixel) : WideLanes{};
      }
  }

  /// Asks for the lines that parts will be stored to. Stores that miss wait for them one after the other.
  static void prefetch_parts(float* to, std::int64_t step) {
    for (int p = 0; p < P; ++p) __builtin_prefetch(to + p * step, 1);
  }

  // The parts of a transform, `step` floats apart. Loops that are not unrolled would keep them in memory.
  static void store_parts(const WideLanes (&parts)[T][T], float* to, std::int64_t step) {
#pragma GCC unroll 8
    for (int i = 0; i < T; ++i)
#pragma GCC unroll 8
      for (int j = 0; j < T; ++j, to += step) store(to, parts[i][j]);
  }
  static void load_parts(const float* from, std::int64_t step, WideLanes (&parts)[T][T]) {
#pragma GCC unroll 8
    for (int i = 0; i < T; ++i)
#pragma GCC unroll 8
      for (int j = 0; j < T; ++j, from += step) parts[i][j] = load<WideLanes>(from);
  }

  static void load_filter(const float* w, std::int64_t channels, WideLanes (&filter)[K][K]) {
    for (int tap = 0; tap < kTaps; ++tap) filter[tap / K][tap % K] = load<WideLanes>(w + tap * channels);
  }

  const ConvShape& shape_;
  Axis<Scheme> rows_, columns_;
  std::int64_t per_image_;
};

}  // namespace clade::kernels::cpu
