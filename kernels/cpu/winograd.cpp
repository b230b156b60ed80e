// SPDX-License-Identifier: Apache-2.0
// Layouts: P products per tile, in two dimensions; tiles of a chunk of samples are numbered sample by sample, row by
// row. Columns of products come in panels of 16; what is a column is chosen so that weights, which are the large
// operand at small batches, are never transposed.
#include "kernels/cpu/winograd.h"

#include <algorithm>

#include "kernels/cpu/panel_product.h"
#include "kernels/cpu/small_products.h"
#include "kernels/cpu/tasks.h"
#include "kernels/cpu/windows.h"
#include "kernels/cpu/winograd_schemes.h"
#include "kernels/cpu/winograd_tiles.h"
#include "kernels/cpu/winograd_tiling.h"

namespace clade::kernels::cpu {

namespace {

// Tiles in work at once: enough to use transformed weights often, few enough for their transforms to stay in the cache.
constexpr std::int64_t kChunkTiles = 256;
// Tiles times products of a chunk in gradients of weights: those of a block of filters stay in the L2 cache of a core.
constexpr std::int64_t kGradientProducts = 96 * 36;
// Panels of tiles for which it pays to transform weights that another thread transforms as well.
constexpr std::int64_t kFewestPanels = 4;
// Panels of tiles that stay in a near cache from one task to the next. More are asked for, part by part, during the
// products of the part before; with fewer, it is the weights that take longer to come than the products with them.
constexpr std::int64_t kFewPanels = 2;
// Sums of a panel, tiles times products, up to which input gradients keep those of some panels in a near cache while
// weights pass by.
constexpr std::int64_t kFewSums = 1000;
// Tiles, of whole images, whose transformed gradients pass by one of the P parts of the transformed weights at once.
constexpr std::int64_t kTilesAtOnce = 32;

template <class Scheme>
class Winograd {
  static constexpr int M = Scheme::kOutputs;
  static constexpr int P = Scheme::kProducts * Scheme::kProducts;
  // The gradients of the pixels of a tile, for the channels of two panels.
  static constexpr std::int64_t kRow = kPanelsAtOnce * kPanel, kTileFloats = Scheme::kInputs * Scheme::kInputs * kRow;
  static constexpr std::int64_t kTaps = Scheme::kTaps * Scheme::kTaps;

 public:
  Winograd(Stream& stream, const ConvShape& shape) : stream_(stream), shape_(shape), tiling_(shape) {}

  void forward(const float* image, const float* w, const Epilogue& epilogue, float* y) {
    if (shape_.n * tiling_.per_image() <= kPanel) return forward_of_one_panel(image, w, epilogue, y);
    const Images x(image, shape_.n, input_size());
    for_each_chunk(kChunkTiles, [&](std::int64_t first, std::int64_t samples) {
      const std::int64_t panels = ceil_div(samples * tiling_.per_image(), kPanel);
      const std::int64_t input_step = padded(cin() * kPanel);
      const View<float> inputs = scratch({shape_.nets, panels, P, input_step});
      stream_.pool().parallel_for(shape_.nets * panels, [&](std::int64_t task) {
        tiling_.transform_input_panel(x, task / panels, first, samples, task % panels,
                                      inputs.data + task * P * input_step, input_step);
      });
      constexpr std::int64_t kBlock = 32;
      const std::int64_t blocks = ceil_div(cout(), kBlock);
      const std::int64_t row = padded(cin()), weight_step = padded(kBlock * row),
                         product_step = padded(kBlock * kPanel);
      const std::int64_t weight_size = P * weight_step, product_size = P * product_step;
      const std::int64_t output_size = kPanel * M * M * kBlock;
      // Tiles of its own for each thread, if they are enough to pay for weights of their own.
      const std::int64_t most = std::max<std::int64_t>(1, panels / kFewestPanels);
      const Blocks parts(panels, ceil_div(panels, std::min(most, ceil_div(stream_.pool().size(), shape_.nets))), 1);
      for_each_task(stream_, shape_.nets * parts.count() * blocks,
                    weight_size + kPanelsAtOnce * product_size + output_size,
                    [&](std::int64_t task, std::int64_t next, float* buffer) {
                      const std::int64_t channel = task % blocks * kBlock, net = task / blocks / parts.count();
                      const Range part = parts.range(task / blocks % parts.count());
                      Ahead ahead;
                      if (waits_for_weights(panels, next)) {
                        const std::int64_t next_channel = next % blocks * kBlock;
                        const std::int64_t filters = std::min(kBlock, cout() - next_channel);
                        ahead = {weights_of(w, next / blocks / parts.count(), next_channel),
                                 filters * kTaps * cin() / kCacheLine, 1, 0,
                                 P * ceil_div(panels, kPanelsAtOnce) * kBlock * cin()};
                      }
                      const std::int64_t count = std::min(kBlock, cout() - channel);
                      float* weights = buffer;
                      float* products = buffer + weight_size;
                      float* outputs = products + kPanelsAtOnce * product_size;
                      tiling_.transform_weights(weights_of(w, net, channel), count, weights, weight_step, row);
                      const std::int64_t end = part.first + part.count;
                      for (std::int64_t panel = part.first; panel < end; panel += kPanelsAtOnce) {
                        const std::int64_t group = std::min<std::int64_t>(kPanelsAtOnce, end - panel);
                        const float* input = inputs.data + (net * panels + panel) * P * input_step;
                        for (int p = 0; p < P; ++p) {
                          const bool last = p + 1 == P;
                          if (panels > kFewPanels && !last)
                            ahead = {input + (p + 1) * input_step, cin(), group, P * input_step, count * cin()};
                          const float* rows = weights + p * weight_step;
                          multiply_halves({rows, row, 1, last ? nullptr : rows + weight_step}, count,
                                          {input + p * input_step, group, P * input_step}, cin(),
                                          {products + p * product_step, kPanel, product_size}, ahead);
                        }
                        for (std::int64_t i = 0; i < group; ++i) {
                          tiling_.transform_products(products + i * product_size, product_step, count, outputs);
                          tiling_.write_outputs(outputs, count, net, channel, first, samples, panel + i, epilogue, y);
                        }
                      }
                    });
    });
  }

  void backward_input(const float* output_gradient, const float* w, WriteMode mode, float* dx) {
    if (P * shape_.n * tiling_.per_image() <= kFewSums)
      return backward_input_of_few_tiles(output_gradient, w, mode, dx);
    const Images dy(output_gradient, shape_.n, output_size());
    const std::int64_t per_image = tiling_.per_image();
    const std::int64_t at_once = std::max<std::int64_t>(1, kTilesAtOnce / per_image) * per_image;
    const WindowGrid grid = tiling_.windows();
    const Roller roller(grid, {0, kTileFloats, kRow});
    for_each_chunk(kChunkTiles, [&](std::int64_t first, std::int64_t samples) {
      const std::int64_t tiles = samples * per_image;
      const Gradients gradients = transform_gradients(dy, first, samples, cout(), padded(cout()));
      const std::int64_t panels = cin() / kPanel;
      const std::int64_t group = panels_of_task(panels, kPanelsAtOnce, 1);  // with two, gradients pass by half as often
      const std::int64_t blocks = ceil_div(panels, group);
      const std::int64_t weight_step = padded(cout() * kPanel), product_step = padded(at_once * kPanel);
      const std::int64_t weight_size = P * weight_step, product_size = P * product_step;
      const auto panels_of = [&](std::int64_t block) { return std::min(group, panels - block * group); };
      for_each_task(stream_, shape_.nets * blocks, group * (weight_size + product_size) + per_image * kTileFloats,
                    [&](std::int64_t task, std::int64_t next, float* buffer) {
                      const std::int64_t net = task / blocks, block = task % blocks, count = panels_of(block);
                      const std::int64_t channel = block * group * kPanel;
                      Ahead ahead;
                      if (waits_for_weights(ceil_div(tiles, kPanel), next))
                        ahead = {weights_of(w, next / blocks, 0) + next % blocks * group * kPanel,
                                 panels_of(next % blocks), kTaps * cout(), cin(), P * tiles * cout()};
                      float* weights = buffer;
                      float* products = buffer + group * weight_size;
                      float* values = products + group * product_size;
                      tiling_.transform_weight_columns(weights_of(w, net, 0) + channel, count, weights, weight_size,
                                                       weight_step);
                      for (std::int64_t tile = 0; tile < tiles; tile += at_once) {
                        const std::int64_t rows = std::min(at_once, tiles - tile);
                        for (int p = 0; p < P; ++p) {
                          const float* next_rows = p + 1 < P ? gradients.at(net, p + 1, 0, tile) : nullptr;
                          if (tiles > kFewPanels * kPanel && next_rows)
                            ahead = {next_rows, ceil_div(cout(), kCacheLine), rows, gradients.row, rows * cout()};
                          multiply_halves({gradients.at(net, p, 0, tile), gradients.row, 1, next_rows}, rows,
                                          {weights + p * weight_step, count, weight_size}, cout(),
                                          {products + p * product_step, kPanel, product_size}, ahead);
                        }
                        for (std::int64_t row = 0; row < rows; ++row) {
                          const std::int64_t inside = row % per_image;
                          for (std::int64_t i = 0; i < count; ++i)
                            tiling_.transform_tile_gradient(products + i * product_size + row * kPanel, product_step,
                                                            kPanel, values + inside * kTileFloats + i * kPanel, kRow);
                          if (inside + 1 == per_image)
                            roller.roll(values, net, {channel, count * kPanel}, Epilogue{}, mode,
                                        dx + (net * shape_.n + first + (tile + row) / per_image) * input_size());
                        }
                      }
                    });
    });
  }

  /// The forward pass for one panel of tiles: most of the time would go into transforms of weights, there and back from
  /// a far cache, so they are multiplied a few channels at a time, while they and their sums are in the L1 cache.
  void forward_of_one_panel(const float* image, const float* w, const Epilogue& epilogue, float* y) {
    const ArenaScope scope(stream_.scratch());
    const Images x(image, shape_.n, input_size());
    const std::int64_t input_step = padded(cin() * kPanel);
    const View<float> inputs = scratch({shape_.nets, P, input_step});
    stream_.pool().parallel_for(shape_.nets, [&](std::int64_t net) {
      tiling_.transform_input_panel(x, net, 0, shape_.n, 0, inputs.data + net * P * input_step, input_step);
    });
    constexpr std::int64_t kBlock = 32, kFilters = 8;
    const std::int64_t blocks = ceil_div(cout(), kBlock);
    const std::int64_t weight_step = kFilters * kSmallTerms, product_step = padded(kBlock * kPanel);
    const SmallProducts sums{P, kFilters, weight_step, input_step, product_step};
    const std::int64_t filter_size = kTaps * cin();
    for_each_task(stream_, shape_.nets * blocks, P * (weight_step + product_step) + kPanel * M * M * kBlock,
                  [&](std::int64_t task, std::int64_t next, float* weights) {
                    const std::int64_t net = task / blocks, channel = task % blocks * kBlock;
                    const std::int64_t count = std::min(kBlock, cout() - channel);
                    float* products = weights + P * weight_step;
                    float* outputs = products + P * product_step;
                    std::fill_n(products, P * product_step, 0.0f);
                    const float* filters = weights_of(w, net, channel);
                    const float* input = inputs.data + net * P * input_step;
                    for (std::int64_t first = 0; first < count; first += kFilters, filters += kFilters * filter_size) {
                      const float* following = filters + kFilters * filter_size;
                      if (first + kFilters >= count)
                        following = next < 0 ? filters : weights_of(w, next / blocks, next % blocks * kBlock);
                      Ahead ahead(following, kFilters * filter_size / kCacheLine, 1, 0, P * kFilters * cin());
                      for (std::int64_t k = 0; k < cin(); k += kSmallTerms) {
                        const std::int64_t near = std::min(k + kSmallTerms, cin() - kSmallTerms);
                        for (std::int64_t i = 0; i < kFilters; ++i) {
                          tiling_.prefetch_filter(filters + i * filter_size + near, cin());
                          tiling_.transform_filter(filters + i * filter_size + k, weights + i * kSmallTerms,
                                                   weight_step);
                        }
                        add_small_products(weights, input + k * kPanel, products + first * kPanel, sums, ahead);
                      }
                    }
                    tiling_.transform_products(products, product_step, count, outputs);
                    tiling_.write_outputs(outputs, count, net, channel, 0, shape_.n, 0, epilogue, y);
                  });
  }

  /// The input gradient of a few tiles, in the same way. The taps of a panel's channels lie in lines a power of two
  /// apart, of which the L2 cache holds few, so some panels are worked off side by side.
  void backward_input_of_few_tiles(const float* output_gradient, const float* w, WriteMode mode, float* dx) {
    const ArenaScope scope(stream_.scratch());
    const Images dy(output_gradient, shape_.n, output_size());
    const std::int64_t per_image = tiling_.per_image(), tiles = shape_.n * per_image, panels = cin() / kPanel;
    const Gradients gradients = transform_gradients(dy, 0, shape_.n, kSmallTerms, kSmallTerms, kSmallRows);
    const std::int64_t weight_step = kSmallTerms * kPanel, product_step = gradients.tiles * kPanel;
    const SmallProducts sums{P, gradients.tiles, gradients.step, weight_step, product_step};
    const std::int64_t filter_size = kTaps * cin(), group = panels_of_task(panels, 4, 2),
                       groups = ceil_div(panels, group);
    const WindowGrid grid = tiling_.windows();
    const Roller roller(grid, {0, kTileFloats, kRow});
    for_each_task(
        stream_, shape_.nets * groups, P * (weight_step + group * product_step) + per_image * kTileFloats,
        [&](std::int64_t task, std::int64_t next, float* weights) {
          const std::int64_t net = task / groups, begin = task % groups * group;
          const std::int64_t count = std::min(group, panels - begin);
          float* products = weights + P * weight_step;
          float* values = products + group * P * product_step;
          std::fill_n(products, count * P * product_step, 0.0f);
          const float* filters = weights_of(w, net, 0) + begin * kPanel;
          for (std::int64_t k = 0; k < cout(); k += kSmallTerms, filters += kSmallTerms * filter_size) {
            const float* following = filters + kSmallTerms * filter_size;
            if (k + kSmallTerms >= cout())
              following = next < 0 ? filters : weights_of(w, next / groups, 0) + next % groups * group * kPanel;
            Ahead ahead(following, count, kSmallTerms * kTaps, cin(), count * P * gradients.tiles * kSmallTerms);
            for (std::int64_t i = 0; i < count; ++i) {
              const float* taps = filters + i * kPanel;
              const float* near = i + 1 < count ? taps + kPanel : following;
              for (std::int64_t filter = 0; filter < kSmallTerms; ++filter) {
                tiling_.prefetch_filter(near + filter * filter_size, cin());
                tiling_.transform_filter(taps + filter * filter_size, weights + filter * kPanel, weight_step);
              }
              add_small_products(gradients.at(net, 0, k / kSmallTerms, 0), weights, products + i * P * product_step,
                                 sums, ahead);
            }
          }
          for (std::int64_t i = 0; i < count; ++i)
            for (std::int64_t tile = 0; tile < tiles; ++tile) {
              const std::int64_t inside = tile % per_image;
              tiling_.transform_tile_gradient(products + i * P * product_step + tile * kPanel, product_step, kPanel,
                                              values + inside * kTileFloats, kRow);
              if (inside + 1 == per_image)
                roller.roll(values, net, {(begin + i) * kPanel, kPanel}, Epilogue{}, mode,
                            dx + (net * shape_.n + tile / per_image) * input_size());
            }
        });
  }

  void backward_weight(std::span<const ConvUse> uses, WriteMode mode, float* dw) {
    Images x(input_size()), dy(output_size());
    for (const ConvUse& use : uses) {
      x.add(use.x.data, use.samples());
      dy.add(use.dy.data, use.samples());
    }
    for_each_chunk(std::min(kChunkTiles, kGradientProducts / P), [&](std::int64_t first, std::int64_t samples) {
      const std::int64_t tiles = samples * tiling_.per_image();
      const std::int64_t block = cout() % 32 == 0 ? 32 : kPanel;
      const Gradients gradients = transform_gradients(dy, first, samples, block, block);
      const std::int64_t panels = cin() / kPanel;
      const std::int64_t input_step = padded(tiles * kPanel), product_step = padded(block * kPanel);
      const View<float> inputs = scratch({shape_.nets, panels, P, input_step});
      // A pixel's channels of two panels are neighbours in memory.
      const std::int64_t pairs = ceil_div(panels, kPanelsAtOnce);
      stream_.pool().parallel_for(shape_.nets * pairs, [&](std::int64_t task) {
        const std::int64_t net = task / pairs, panel = task % pairs * kPanelsAtOnce;
        tiling_.transform_input_columns(x, net, first, tiles, panel * kPanel,
                                        std::min<std::int64_t>(kPanelsAtOnce, panels - panel),
                                        inputs.data + (net * panels + panel) * P * input_step, input_step);
      });
      const std::int64_t blocks = cout() / block;
      const WriteMode chunk_mode = first == 0 ? mode : WriteMode::accumulate;
      const std::int64_t product_size = P * product_step;
      for_each_task(stream_, shape_.nets * blocks, kPanelsAtOnce * product_size,
                    [&](std::int64_t task, std::int64_t, float* products) {
                      const std::int64_t net = task / blocks, channel = task % blocks * block;
                      for (std::int64_t panel = 0; panel < panels; panel += kPanelsAtOnce) {
                        const std::int64_t group = std::min<std::int64_t>(kPanelsAtOnce, panels - panel);
                        const float* input = inputs.data + (net * panels + panel) * P * input_step;
                        for (int p = 0; p < P; ++p) {
                          Ahead ahead;
                          if (tiles > kFewPanels * kPanel && p + 1 < P)
                            ahead = {input + (p + 1) * input_step, tiles, group, P * input_step, block * tiles};
                          multiply_panels({gradients.at(net, p, task % blocks, 0), 1, gradients.row}, block,
                                          {input + p * input_step, group, P * input_step}, tiles,
                                          {products + p * product_step, kPanel, product_size}, ahead);
                        }
                        for (std::int64_t filter = 0; filter < block; ++filter)
                          for (std::int64_t i = 0; i < group; ++i)
                            tiling_.gather_weight_gradient(
                                products + i * product_size + filter * kPanel, product_step, chunk_mode,
                                dw + (net * cout() + channel + filter) * kTaps * cin() + (panel + i) * kPanel);
                      }
                    });
    });
  }

 private:
  std::int64_t cin() const { return shape_.cin; }
  std::int64_t cout() const { return shape_.cout; }
  /// Filter `channel` of a net; w is [nets, cout, taps, cin].
  const float* weights_of(const float* w, std::int64_t net, std::int64_t channel) const {
    return w + (net * cout() + channel) * kTaps * cin();
  }
  std::int64_t input_size() const { return std::int64_t{shape_.h} * shape_.w * cin(); }
  std::int64_t output_size() const { return std::int64_t{shape_.out_h()} * shape_.out_w() * cout(); }
  View<float> scratch(const Shape& shape) const { return stream_.scratch().view<float>(shape); }

  /// body(first sample, samples) for chunks of nearly the same size, with scratch memory of its own.
  template <class Body>
  void for_each_chunk(std::int64_t tiles, const Body& body) const {
    const std::int64_t most = std::max<std::int64_t>(1, tiles / tiling_.per_image());
    const std::int64_t step = ceil_div(shape_.n, ceil_div(shape_.n, most));
    for (std::int64_t first = 0; first < shape_.n; first += step) {
      const ArenaScope scope(stream_.scratch());
      body(first, std::min<std::int64_t>(step, shape_.n - first));
    }
  }

  /// Panels of a task: at most `most`, halved until there are `tasks` for each thread.
  std::int64_t panels_of_task(std::int64_t panels, std::int64_t most, std::int64_t tasks) const {
    std::int64_t count = most;
    while (count > 1 && shape_.nets * panels < count * tasks * stream_.pool().size()) count /= 2;
    return count;
  }

  /// Whether there is a next task whose weights take longer to come than the few products of this one.
  static bool waits_for_weights(std::int64_t panels, std::int64_t next) { return next >= 0 && panels <= kFewPanels; }

  /// Transformed output gradients [nets][P][blocks of channels][tiles][row].
  struct Gradients {
    const float* data;
    std::int64_t step;   // from p to p + 1
    std::int64_t tiles;  // in a block
    std::int64_t row;
    const float* at(std::int64_t net, int p, std::int64_t block, std::int64_t tile) const {
      return data + (net * P + p) * step + (block * tiles + tile) * row;
    }
  };
  /// Tiles are filled up with zeros to a multiple of `multiple`.
  Gradients transform_gradients(const Images& dy, std::int64_t first, std::int64_t samples, std::int64_t block,
                                std::int64_t row, std::int64_t multiple = 1) const {
    const std::int64_t existing = samples * tiling_.per_image(), tiles = ceil_div(existing, multiple) * multiple;
    const std::int64_t step = padded(cout() / block * tiles * row);
    float* out = scratch({shape_.nets, P, step}).data;
    // Neighbours lie in the same pages, and a single tile takes little longer than to hand it to a thread.
    const bool far = tiles > kFewPanels * kPanel;
    const std::int64_t share = far ? 4 : 1, shares = ceil_div(tiles, share);
    stream_.pool().parallel_for(shape_.nets * shares, [&](std::int64_t task) {
      const std::int64_t net = task / shares, begin = task % shares * share;
      for (std::int64_t tile = begin; tile < std::min(begin + share, tiles); ++tile) {
        const bool exists = tile < existing;
        tiling_.transform_gradient(dy, tiling_.place(net, first, exists ? tile : 0), exists, block, tiles * row,
                                   out + net * P * step + tile * row, step, far);
      }
    });
    return {out, step, tiles, row};
  }

  Stream& stream_;
  const ConvShape& shape_;
  WinogradTiling<Scheme> tiling_;
};

/// Calls body with the Winograd of the shape.
template <class Body>
void with_scheme(Stream& stream, const ConvShape& shape, int tile, const Body& body) {
  if (shape.k == 4) {
    body(Winograd<ThreeOutputsOfFourTaps>(stream, shape));
  } else if (tile == 2) {
    body(Winograd<TwoOutputs>(stream, shape));
  } else {
    body(Winograd<FourOutputs>(stream, shape));
  }
}

}  // namespace

// Measured with bench_kernels on two cores, 256 channels of 8 x 8 and 256 to 512 of 4 x 4 pixels (docs/performance.md):
// few pixels do not pay for the transforms of the weights, which are larger for larger tiles. A forward pass wants 16
// tiles at a time besides, and a weight gradient has two transforms that grow. Input gradients of few tiles spare their
// weights a way through a far cache, so they take the large ones from the start.
int winograd_tile(const ConvShape& s, ConvPass pass) {
  if (s.cin % kPanel != 0 || s.cout % kPanel != 0) return 0;
  if (s.kind != ConvKind::direct || s.stride != 1 || s.pad != 1 || s.cin < 64 || s.cout < 64) return 0;
  struct Fewest {
    std::int64_t two, four, three_of_four_taps;  // pixels of output that pay for tiles of that side
  };
  const Fewest fewest = pass == ConvPass::forward          ? Fewest{64, 192, 45}
                        : pass == ConvPass::backward_input ? Fewest{64, 64, 36}
                                                           : Fewest{128, 512, 108};
  const std::int64_t pixels = std::int64_t{s.n} * s.out_h() * s.out_w();
  if (s.k == 4) return pixels >= fewest.three_of_four_taps ? 3 : 0;
  if (s.k != 3 || s.h < 4 || s.w < 4) return 0;
  return pixels >= fewest.four ? 4 : pixels >= fewest.two ? 2 : 0;
}

void winograd_forward(Stream& stream, const ConvShape& shape, int tile, const float* x, const float* w,
                      const Epilogue& epilogue, float* y) {
  with_scheme(stream, shape, tile, [&](auto winograd) { winograd.forward(x, w, epilogue, y); });
}

void winograd_backward_input(Stream& stream, const ConvShape& shape, int tile, const float* dy, const float* w,
                             WriteMode mode, float* dx) {
  with_scheme(stream, shape, tile, [&](auto winograd) { winograd.backward_input(dy, w, mode, dx); });
}

void winograd_backward_weight(Stream& stream, const ConvShape& shape, int tile, std::span<const ConvUse> uses,
                              WriteMode mode, float* dw) {
  with_scheme(stream, shape, tile, [&](auto winograd) { winograd.backward_weight(uses, mode, dw); });
}

}  // namespace clade::kernels::cpu
