// SPDX-License-Identifier: Apache-2.0
// As in window_grid.h, an image of channels is correlated with filters to features; a transposed convolution is the
// adjoint.
#include "kernels/cpu/winograd_resampling.h"

#include <algorithm>

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/panel_product.h"
#include "kernels/cpu/tasks.h"
#include "kernels/cpu/windows.h"
#include "kernels/cpu/winograd_schemes.h"
#include "kernels/cpu/winograd_tiles.h"
#include "kernels/cpu/winograd_tiling.h"

namespace clade::kernels::cpu {

namespace {

// Floats of transformed tiles, or of images, that a task works on: they stay in the L2 cache of a core.
constexpr std::int64_t kTaskFloats = std::int64_t{1} << 18;
// Tiles that are enough to pay for passing all filters by.
constexpr std::int64_t kTaskTiles = 64;
// Sums of weight gradients that a task works on.
constexpr std::int64_t kTaskSums = std::int64_t{1} << 18;
// Terms of a weight gradient that are summed at once.
constexpr std::int64_t kTaskTerms = 128;
// Features and channels that products take at once.
constexpr std::int64_t kColumns = kPanelsAtOnce * kPanel;

/// The direct convolution that this one is, or whose adjoint it is.
ConvShape roles(const ConvShape& s) {
  if (s.kind != ConvKind::transposed) return s;
  return {s.nets, s.n, s.out_h(), s.out_w(), s.cout, s.cin, s.k, s.stride, s.pad, PadMode::zero, ConvKind::direct, 0};
}

/// Parts of some tiles, [P][tiles][row floats], with `step` floats from part to part.
struct Parts {
  Parts(int count, std::int64_t tiles, std::int64_t row_floats)
      : row(row_floats), step(padded(tiles * row_floats)), size(count * step) {}
  Parts in(float* memory) const {
    Parts result = *this;
    result.data = memory;
    return result;
  }
  float* tile(std::int64_t i) const { return data + i * row; }

  std::int64_t row, step, size;
  float* data = nullptr;
};

/// Transformed filters of all nets as right factors, [panels][factors][depth][16].
template <class Scheme>
class Factors {
  static constexpr int T = Scheme::kProducts;
  static constexpr int P = T * T;
  static constexpr int F = Scheme::kFactors;

 public:
  Factors(Stream& stream, std::int64_t nets, std::int64_t columns, std::int64_t depth)
      : depth_(depth),
        step_(padded(depth * kPanel)),
        panels_(columns / kPanel),
        data_(stream.scratch().view<float>({nets * panels_, size()}).data) {}

  /// Of a net.
  std::int64_t panels() const { return panels_; }
  float* panel(std::int64_t net, std::int64_t i) const { return data_ + (net * panels_ + i) * size(); }
  /// Floats from factor to factor, and from panel to panel.
  std::int64_t step() const { return step_; }
  std::int64_t size() const { return F * F * step_; }

  /// Multiplies all parts of `count` tiles with some panels of a net, two at a time, and calls body(first panel,
  /// columns) when their products are there.
  template <class Body>
  void multiply(std::int64_t net, const Range& panels, const Parts& left, std::int64_t count, const Parts& products,
                const Body& body) const {
    const std::int64_t end = panels.first + panels.count;
    for (std::int64_t first = panels.first; first < end; first += kPanelsAtOnce) {
      const std::int64_t group = std::min<std::int64_t>(kPanelsAtOnce, end - first);
      const float* own = panel(net, first);
      for (int p = 0; p < P; ++p) {
        const bool last = p + 1 == P;
        Ahead ahead;
        if (!last && factor(p + 1) != factor(p))
          ahead = {own + factor(p + 1) * step_, depth_, group, size(), count * depth_};
        else if (last && first + group < end)
          ahead = {panel(net, first + group), depth_, 1, size(), count * depth_};
        const float* rows = left.data + p * left.step;
        multiply_halves({rows, left.row, 1, last ? left.data : rows + left.step}, count,
                        {own + factor(p) * step_, group, size()}, depth_,
                        {products.data + p * products.step, products.row, kPanel}, ahead);
      }
      body(first, group * kPanel);
    }
  }

 private:
  static std::int64_t factor(int p) { return F * Scheme::kFactorOf[p / T] + Scheme::kFactorOf[p % T]; }

  std::int64_t depth_, step_, panels_;
  float* data_;
};

template <class Scheme>
class Resampling {
  static constexpr int I = Scheme::kInputs;
  static constexpr int T = Scheme::kProducts;
  static constexpr int P = T * T;
  static constexpr int F = Scheme::kFactors;
  static constexpr std::int64_t kTaps = Scheme::kTaps * Scheme::kTaps;

 public:
  /// `shape` is that of a direct or resize convolution, and must outlive this.
  Resampling(Stream& stream, const ConvShape& shape) : stream_(stream), shape_(shape), tiling_(shape) {}

  /// Floats of a sample.
  std::int64_t image_size() const { return std::int64_t{shape_.h} * shape_.w * cin(); }
  std::int64_t features_size() const { return std::int64_t{shape_.out_h()} * shape_.out_w() * cout(); }

  void correlate(const float* image, const float* w, const Epilogue& epilogue, WriteMode mode, float* features) {
    const ArenaScope scope(stream_.scratch());
    const Images x(image, shape_.n, image_size());
    const Factors<Scheme> factors(stream_, shape_.nets, cout(), cin());
    stream_.pool().parallel_for(shape_.nets * factors.panels(), [&](std::int64_t task) {
      const std::int64_t net = task / factors.panels(), panel = task % factors.panels();
      tiling_.transform_filter_panel(filter(w, net, panel * kPanel), factors.panel(net, panel), factors.step());
    });
    const std::int64_t row = padded(cin()), room = kTaskFloats / (P * row) / kPanel * kPanel;
    const Blocks groups(shape_.n * tiling_.per_image(), std::clamp<std::int64_t>(room, kPanel, kTaskTiles));
    const Blocks shares = shares_of_panels(factors.panels(), shape_.nets * groups.count());
    const Parts inputs(P, groups.size(0), row), products(P, groups.size(0), kColumns);
    for_each_task(stream_, shape_.nets * groups.count() * shares.count(), inputs.size + products.size,
                  [&](std::int64_t task, std::int64_t, float* buffer) {
                    const std::int64_t net = task / shares.count() / groups.count();
                    const Range own = groups.range(task / shares.count() % groups.count());
                    const Parts in = inputs.in(buffer), out = products.in(buffer + inputs.size);
                    for (std::int64_t i = 0; i < own.count; ++i)
                      tiling_.transform_input_row(x, tiling_.place(net, 0, own.first + i), in.tile(i), in.step);
                    factors.multiply(net, shares.range(task % shares.count()), in, own.count, out,
                                     [&](std::int64_t panel, std::int64_t columns) {
                                       for (std::int64_t i = 0; i < own.count; ++i)
                                         tiling_.write_tile(out.tile(i), out.step, columns,
                                                            tiling_.place(net, 0, own.first + i), panel * kPanel,
                                                            epilogue, mode, features);
                                     });
                  });
  }

  /// A task has all tiles of an image, so that no two add to the same pixel.
  void correlate_adjoint(const float* features, const float* w, const Epilogue& epilogue, WriteMode mode,
                         float* image) {
    const ArenaScope scope(stream_.scratch());
    const Images y(features, shape_.n, features_size());
    const Factors<Scheme> factors(stream_, shape_.nets, cin(), cout());
    const std::int64_t pairs = ceil_div(factors.panels(), kPanelsAtOnce);
    stream_.pool().parallel_for(shape_.nets * pairs, [&](std::int64_t task) {
      const std::int64_t net = task / pairs, panel = task % pairs * kPanelsAtOnce;
      tiling_.transform_weight_columns(filter(w, net, 0) + panel * kPanel,
                                       std::min<std::int64_t>(kPanelsAtOnce, factors.panels() - panel),
                                       factors.panel(net, panel), factors.size(), factors.step());
    });
    const std::int64_t row = padded(cout()), per_image = tiling_.per_image();
    const std::int64_t most = std::min(kTaskFloats / (P * row), kTaskTiles) / per_image;
    const std::int64_t samples = std::clamp<std::int64_t>(most, 1, shape_.n), groups = ceil_div(shape_.n, samples);
    const Blocks shares = shares_of_panels(factors.panels(), shape_.nets * groups);
    const Parts gradients(P, samples * per_image, row), products(P, samples * per_image, kColumns);
    constexpr std::int64_t kTileFloats = I * I * kColumns;
    const WindowGrid grid = tiling_.windows();
    const Roller roller(grid, {0, kTileFloats, kColumns});
    for_each_task(
        stream_, shape_.nets * groups * shares.count(), gradients.size + products.size + per_image * kTileFloats,
        [&](std::int64_t task, std::int64_t, float* buffer) {
          const std::int64_t net = task / shares.count() / groups;
          const std::int64_t first = task / shares.count() % groups * samples;
          const std::int64_t count = std::min(samples, shape_.n - first), tiles = count * per_image;
          const Parts in = gradients.in(buffer), out = products.in(buffer + gradients.size);
          float* values = out.data + out.size;
          for (std::int64_t i = 0; i < tiles; ++i)
            tiling_.transform_gradient(y, tiling_.place(net, first, i), true, cout(), 0, in.tile(i), in.step, false);
          factors.multiply(net, shares.range(task % shares.count()), in, tiles, out,
                           [&](std::int64_t panel, std::int64_t columns) {
                             for (std::int64_t i = 0; i < count; ++i) {
                               for (std::int64_t tile = 0; tile < per_image; ++tile)
                                 tiling_.transform_tile_gradient(out.tile(i * per_image + tile), out.step, columns,
                                                                 values + tile * kTileFloats, kColumns);
                               roller.roll(values, net, {panel * kPanel, columns}, epilogue, mode,
                                           image + (net * shape_.n + first + i) * image_size());
                             }
                           });
        });
  }

  void weight_gradient(const Images& image, const Images& features, WriteMode mode, float* dw) {
    const ArenaScope scope(stream_.scratch());
    // Gradients [nets][factors][cout][cin].
    const std::int64_t factor_step = padded(cout() * cin());
    const View<float> factors = stream_.scratch().view<float>({shape_.nets, F * F, factor_step});
    // A task has some rows of factors of some filters, for all of which images stay in the cache.
    const Blocks rows(F, std::max<std::int64_t>(1, kTaskSums / (F * cout() * cin())), 1);
    const std::int64_t shares = ceil_div(stream_.pool().size(), shape_.nets * rows.count());
    const Blocks filters(cout(), std::max(ceil_div(cout(), shares), kColumns), kColumns);
    // In the same order whatever the number of threads, so whatever the share of filters.
    const std::int64_t samples = std::clamp<std::int64_t>(kTaskFloats / (image_size() + features_size()), 1, shape_.n);
    const Terms terms(filters.size(0), cin());
    for_each_task(stream_, rows.count() * shape_.nets * filters.count(), terms.size(),
                  [&](std::int64_t task, std::int64_t, float* buffer) {
                    const std::int64_t net = task / filters.count() % shape_.nets;
                    const Range own = filters.range(task % filters.count());
                    const Range some_rows = rows.range(task / filters.count() / shape_.nets);
                    for (std::int64_t first = 0; first < shape_.n; first += samples) {
                      const Range taken{first, std::min(samples, shape_.n - first)};
                      for (std::int64_t i = some_rows.first * F; i < (some_rows.first + some_rows.count) * F; ++i)
                        add_factor(static_cast<int>(i), image, features, net, taken, own,
                                   first == 0 ? WriteMode::overwrite : WriteMode::accumulate, terms, buffer,
                                   factors.data + (net * F * F + i) * factor_step + own.first * cin());
                    }
                  });
    stream_.pool().parallel_for(shape_.nets * cout(), [&](std::int64_t task) {
      const float* from = factors.data + task / cout() * F * F * factor_step + task % cout() * cin();
      for (std::int64_t channel = 0; channel < cin(); channel += kPanel)
        tiling_.gather_weight_gradient(from + channel, factor_step, mode, dw + task * kTaps * cin() + channel);
    });
  }

 private:
  /// The factors of products that sum kTaskTerms terms: left [blocks of 32 filters][terms][32], right [panels of
  /// channels][terms][16].
  struct Terms {
    Terms(std::int64_t filters, std::int64_t channels)
        : left_size(ceil_div(filters, kColumns) * left_step), right_size(channels / kPanel * right_step) {}
    std::int64_t size() const { return left_size + right_size; }
    static constexpr std::int64_t left_step = padded(kTaskTerms * kColumns), right_step = padded(kTaskTerms * kPanel);
    std::int64_t left_size, right_size;
  };

  /// out [filters][cin] (=|+=) the gradient of a factor, over all products that take it and some samples.
  void add_factor(int factor, const Images& image, const Images& features, std::int64_t net, const Range& samples,
                  const Range& filters, WriteMode mode, const Terms& terms, float* buffer, float* out) const {
    float* left = buffer;
    float* right = left + terms.left_size;
    std::int64_t count = 0;
    const auto add = [&] {
      for (std::int64_t row = 0; row < filters.count; row += kColumns)
        for (std::int64_t channel = 0; channel < cin(); channel += kColumns) {
          const std::int64_t panels = std::min<std::int64_t>(kPanelsAtOnce, (cin() - channel) / kPanel);
          Ahead nothing;
          multiply_panels({left + row / kColumns * Terms::left_step, 1, kColumns},
                          std::min(kColumns, filters.count - row),
                          {right + channel / kPanel * Terms::right_step, panels, Terms::right_step}, count,
                          {out + row * cin() + channel, cin(), kPanel, mode}, nothing);
        }
      count = 0;
      mode = WriteMode::accumulate;
    };
    for (int i = 0; i < T; ++i)
      for (int j = 0; j < T; ++j) {
        if (F * Scheme::kFactorOf[i] + Scheme::kFactorOf[j] != factor) continue;
        const auto input = tiling_.input_part(i, j);
        const auto output = tiling_.output_part(i, j);
        for (std::int64_t tile = 0; tile < samples.count * tiling_.per_image(); ++tile) {
          const auto at = tiling_.place(net, samples.first, tile);
          tiling_.write_part(output, features, at, filters, left + count * kColumns, kColumns, Terms::left_step);
          tiling_.write_part(input, image, at, {0, cin()}, right + count * kPanel, kPanel, Terms::right_step);
          if (++count == kTaskTerms) add();
        }
      }
    if (count > 0) add();
  }

  std::int64_t cin() const { return shape_.cin; }
  std::int64_t cout() const { return shape_.cout; }
  /// Filter `channel` of a net; w is [nets, cout, taps, cin].
  const float* filter(const float* w, std::int64_t net, std::int64_t channel) const {
    return w + (net * cout() + channel) * kTaps * cin();
  }

  /// Panels in as many shares, of whole pairs, as it takes to have a task for each thread.
  Blocks shares_of_panels(std::int64_t panels, std::int64_t tasks) const {
    return {panels, std::max<std::int64_t>(1, panels / ceil_div(stream_.pool().size(), tasks)), kPanelsAtOnce};
  }

  Stream& stream_;
  const ConvShape& shape_;
  WinogradTiling<Scheme> tiling_;
};

/// Calls body with the scheme of the shape of the direct convolution.
template <class Body>
void with_scheme(Stream& stream, const ConvShape& shape, const Body& body) {
  if (shape.kind == ConvKind::resize) {
    body(Resampling<TwoOutputsUpsampled>(stream, shape));
  } else if (shape.k == 4) {
    body(Resampling<TwoOutputsOfStride2FourTaps>(stream, shape));
  } else {
    body(Resampling<TwoOutputsOfStride2>(stream, shape));
  }
}

}  // namespace

bool resamples(const ConvShape& shape) {
  const ConvShape s = roles(shape);
  if (s.cin % kPanel != 0 || s.cout % kPanel != 0) return false;
  if (s.kind == ConvKind::resize) return true;
  if (shape.kind == ConvKind::transposed && (s.out_h() != shape.h || s.out_w() != shape.w)) return false;
  return s.stride == 2 && s.pad == 1 && (s.k == 3 || s.k == 4) && s.out_h() % 2 == 0 && s.out_w() % 2 == 0;
}

// Measured with bench_kernels on two cores (docs/performance.md): few windows do not pay for the transforms of filters
// and of their gradients. Resize layers have no faster way.
bool resamples_faster(const ConvShape& shape, ConvPass pass) {
  if (!resamples(shape) || shape.kind == ConvKind::resize) return resamples(shape);
  const ConvShape s = roles(shape);
  const std::int64_t windows = std::int64_t{s.n} * s.out_h() * s.out_w();
  if (pass == ConvPass::backward_weight) return windows >= 256;
  const bool correlates = (pass == ConvPass::forward) == (shape.kind == ConvKind::direct);
  return windows >= (correlates ? 128 : 192);
}

void resampling_forward(Stream& stream, const ConvShape& shape, const float* x, const float* w,
                        const Epilogue& epilogue, float* y) {
  const ConvShape direct = roles(shape);
  with_scheme(stream, direct, [&](auto resampling) {
    if (shape.kind == ConvKind::transposed)
      resampling.correlate_adjoint(x, w, epilogue, WriteMode::overwrite, y);
    else
      resampling.correlate(x, w, epilogue, WriteMode::overwrite, y);
  });
}

void resampling_backward_input(Stream& stream, const ConvShape& shape, const float* dy, const float* w, WriteMode mode,
                               float* dx) {
  const ConvShape direct = roles(shape);
  with_scheme(stream, direct, [&](auto resampling) {
    if (shape.kind == ConvKind::transposed)
      resampling.correlate(dy, w, Epilogue{}, mode, dx);
    else
      resampling.correlate_adjoint(dy, w, Epilogue{}, mode, dx);
  });
}

void resampling_backward_weight(Stream& stream, const ConvShape& shape, std::span<const ConvUse> uses, WriteMode mode,
                                float* dw) {
  const ConvShape direct = roles(shape);
  with_scheme(stream, direct, [&](auto resampling) {
    Images image(resampling.image_size()), features(resampling.features_size());
    const bool transposed = shape.kind == ConvKind::transposed;
    for (const ConvUse& use : uses) {
      image.add((transposed ? use.dy : use.x).data, use.samples());
      features.add((transposed ? use.x : use.dy).data, use.samples());
    }
    resampling.weight_gradient(image, features, mode, dw);
  });
}

}  // namespace clade::kernels::cpu
