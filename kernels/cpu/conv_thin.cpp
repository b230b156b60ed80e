// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/conv_thin.h"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/loops.h"
#include "kernels/cpu/meetings.h"
#include "kernels/cpu/tasks.h"

namespace clade::kernels::cpu {

namespace {

using Side = Meetings::Side;

// Floats of products that a task works on: they stay in the L2 cache of a core.
constexpr std::int64_t kTaskFloats = std::int64_t{1} << 17;
// Pixels that are expanded at once.
constexpr std::int64_t kTilePixels = 512;

/// Pixels of an image, and what they meet in the other one.
struct Pixels {
  int h, w;
  Meetings rows, columns;
  std::int64_t size() const { return std::int64_t{h} * w; }
};

/// A convolution between thin images, of one channel, and wide ones, of several; `taps` counts k * k.
struct Thin {
  explicit Thin(const ConvShape& s) : Thin(s, s.cout == 1) {}
  Thin(const ConvShape& s, bool contracting)
      : Thin(s, contracting, AxisMap(s.h, s.out_h(), s.k, s.stride, s.pad, s.pad_mode),
             AxisMap(s.w, s.out_w(), s.k, s.stride, s.pad, s.pad_mode)) {}

  /// Of a net, [taps, channels].
  Matrix filters(const float* w, std::int64_t net) const {
    w += net * taps * channels;
    return contracts ? Matrix(w, taps, channels) : Matrix(w, channels, taps).transpose();
  }

  bool contracts;
  std::int64_t nets, n, channels;
  int k;
  std::int64_t taps;
  Pixels thin, wide;

 private:
  Thin(const ConvShape& s, bool contracting, const AxisMap& rows, const AxisMap& columns)
      : contracts(contracting),
        nets(s.nets),
        n(s.n),
        channels(contracting ? s.cin : s.cout),
        k(s.k),
        taps(std::int64_t{s.k} * s.k),
        thin(pixels(rows, columns, s.k, contracting ? Side::window : Side::pixel)),
        wide(pixels(rows, columns, s.k, contracting ? Side::pixel : Side::window)) {}
  static Pixels pixels(const AxisMap& rows, const AxisMap& columns, int k, Side side) {
    const auto count = [&](const AxisMap& map) { return side == Side::window ? map.windows() : map.extent(); };
    return {count(rows), count(columns), Meetings(rows, k, side), Meetings(columns, k, side)};
  }
};

/// About kTilePixels wide pixels: some rows of an image, or several small images.
class Tiles {
 public:
  explicit Tiles(const Thin& conv)
      : conv_(conv),
        height_(std::clamp<std::int64_t>(kTilePixels / conv.wide.w, 1, conv.wide.h)),
        samples_(std::clamp<std::int64_t>(kTilePixels / conv.wide.size(), 1, conv.n)) {}
  std::int64_t bands() const { return ceil_div(std::int64_t{conv_.wide.h}, height_); }
  std::int64_t groups() const { return ceil_div(conv_.n, samples_); }
  Range rows(std::int64_t band) const { return {band * height_, std::min(height_, conv_.wide.h - band * height_)}; }
  /// Of all nets, numbered through.
  Range images(std::int64_t net, std::int64_t group) const {
    return {net * conv_.n + group * samples_, std::min(samples_, conv_.n - group * samples_)};
  }
  /// Values that the pixels of a tile meet.
  std::int64_t floats() const { return samples_ * height_ * conv_.wide.w * conv_.taps; }

 private:
  const Thin& conv_;
  std::int64_t height_, samples_;
};

/// out [wide pixels, taps] = what each pixel of some rows of some images meets at each tap, summed.
class Expander {
 public:
  explicit Expander(const Thin& conv) : conv_(conv), line_(static_cast<std::size_t>(conv.thin.w)) {}

  void expand(const Range& images, const Range& rows, const float* thin, float* out) {
    std::fill_n(out, images.count * rows.count * conv_.wide.w * conv_.taps, 0.0f);
    thin += images.first * conv_.thin.size();
    for (std::int64_t i = 0; i < images.count; ++i, thin += conv_.thin.size())
      for (std::int64_t row = rows.first; row < rows.first + rows.count; ++row, out += conv_.wide.w * conv_.taps)
        for (const auto& meeting : conv_.wide.rows.of(static_cast<int>(row)))
          add_line(thin + std::int64_t{meeting.other} * conv_.thin.w, out + meeting.tap * conv_.k);
  }

 private:
  void add_line(const float* thin, float* out) {
    const Meetings& columns = conv_.wide.columns;
    const float* line = thin;
    if (columns.falling()) {  // from right to left, neighbours meet the taps in order
      std::reverse_copy(thin, thin + conv_.thin.w, line_.begin());
      line = line_.data();
    }
    for (int pixel = 0; pixel < conv_.wide.w; ++pixel, out += conv_.taps) {
      if (const int first = columns.first(pixel); first >= 0) {
        add_taps(line + (columns.falling() ? conv_.thin.w - conv_.k - first : first), out);
      } else {
        for (const auto& meeting : columns.of(pixel)) out[meeting.tap] += thin[meeting.other];
      }
    }
  }
  void add_taps(const float* from, float* to) const {
    const auto add = [&](auto count) {
      for (int i = 0; i < count; ++i) to[i] += from[i];
    };
    if (conv_.k == 7) {
      add(std::integral_constant<int, 7>{});
    } else {
      add(conv_.k);
    }
  }

  const Thin& conv_;
  std::vector<float> line_;
};

/// The rows of wide images that some rows of thin ones meet.
Range met_rows(const Thin& conv, const Range& rows) {
  int low = conv.wide.h, end = 0;
  for (std::int64_t row = rows.first; row < rows.first + rows.count; ++row)
    for (const auto& meeting : conv.thin.rows.of(static_cast<int>(row))) {
      low = std::min(low, meeting.other);
      end = std::max(end, meeting.other + 1);
    }
  return {std::min(low, end), std::max(0, end - low)};
}

/// A row of a thin image: the sum of the products [taps, wide rows, wide columns] that it meets.
void add_products(const Thin& conv, int row, const float* products, const Range& wide_rows, float* out) {
  const Meetings& columns = conv.thin.columns;
  const Range run = columns.run();
  const std::int64_t tap_step = wide_rows.count * conv.wide.w;
  std::fill_n(out, conv.thin.w, 0.0f);
  for (const auto& vertical : conv.thin.rows.of(row)) {
    const float* lines = products + vertical.tap * conv.k * tap_step + (vertical.other - wide_rows.first) * conv.wide.w;
    for (int i = 0; i < conv.k && run.count > 0; ++i) {
      const int tap = columns.falling() ? conv.k - 1 - i : i;
      const float* line = lines + tap * tap_step + columns.first(static_cast<int>(run.first)) + i;
      for (std::int64_t pixel = 0; pixel < run.count; ++pixel) out[run.first + pixel] += line[pixel];
    }
    const auto add_each = [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t pixel = begin; pixel < end; ++pixel)
        for (const auto& meeting : columns.of(static_cast<int>(pixel)))
          out[pixel] += lines[meeting.tap * tap_step + meeting.other];
    };
    add_each(0, run.first);
    add_each(run.first + run.count, conv.thin.w);
  }
}

void expand(Stream& stream, const Thin& conv, const float* thin, const float* w, const Epilogue& epilogue,
            WriteMode mode, float* wide) {
  const ArenaScope scope(stream.scratch());
  const Tiles tiles(conv);
  for_each_task(stream, conv.nets * tiles.groups() * tiles.bands(), tiles.floats(),
                [&](std::int64_t task, std::int64_t, float* values) {
                  const std::int64_t net = task / tiles.bands() / tiles.groups();
                  const Range images = tiles.images(net, task / tiles.bands() % tiles.groups());
                  const Range rows = tiles.rows(task % tiles.bands());
                  const std::int64_t pixels = images.count * rows.count * conv.wide.w;
                  Expander(conv).expand(images, rows, thin, values);
                  float* out = wide + (images.first * conv.wide.size() + rows.first * conv.wide.w) * conv.channels;
                  multiply(Matrix(values, pixels, conv.taps), conv.filters(w, net), mode, out, conv.channels);
                  for (std::int64_t i = 0; i < pixels; ++i)
                    epilogue.apply(net, 0, conv.channels, out + i * conv.channels);
                });
}

void contract(Stream& stream, const Thin& conv, const float* wide, const float* w, const Epilogue& epilogue,
              WriteMode mode, float* thin) {
  const ArenaScope scope(stream.scratch());
  // Bands of rows: what two of them meet is multiplied twice.
  const std::int64_t h = conv.thin.h, k = conv.k, rows_of_room = kTaskFloats / (conv.taps * conv.wide.w) - k;
  const std::int64_t fewest = ceil_div(stream.pool().size(), conv.nets * conv.n);
  const std::int64_t height =
      std::clamp(std::min(ceil_div(h, fewest), rows_of_room * h / conv.wide.h), std::min(h, k), h);
  const std::int64_t bands = ceil_div(h, height);
  const auto band = [&](std::int64_t i) { return Range{i * height, std::min(height, h - i * height)}; };
  std::int64_t most = 0;
  for (std::int64_t i = 0; i < bands; ++i) most = std::max(most, met_rows(conv, band(i)).count);
  for_each_task(stream, conv.nets * conv.n * bands, conv.taps * most * conv.wide.w + conv.thin.w,
                [&](std::int64_t task, std::int64_t, float* line) {
                  const std::int64_t image = task / bands, net = image / conv.n;
                  const Range own = band(task % bands), met = met_rows(conv, own);
                  float* products = line + conv.thin.w;
                  const Matrix pixels(wide + (image * conv.wide.size() + met.first * conv.wide.w) * conv.channels,
                                      met.count * conv.wide.w, conv.channels);
                  multiply(conv.filters(w, net), pixels.transpose(), WriteMode::overwrite, products,
                           met.count * conv.wide.w);
                  for (std::int64_t row = own.first; row < own.first + own.count; ++row) {
                    add_products(conv, static_cast<int>(row), products, met, line);
                    float* out = thin + image * conv.thin.size() + row * conv.thin.w;
                    for (int column = 0; column < conv.thin.w; ++column) {
                      epilogue.apply(net, 0, 1, line + column);
                      write(mode, line[column], out[column]);
                    }
                  }
                });
}

void weight_gradient(Stream& stream, const Thin& conv, const float* wide, const float* thin, WriteMode mode,
                     float* dw) {
  const ArenaScope scope(stream.scratch());
  const Tiles tiles(conv);
  const std::int64_t size = conv.taps * conv.channels, groups = tiles.groups();
  // Groups of images are summed on their own first, so that the result does not depend on how threads share them out.
  const View<float> sums = stream.scratch().view<float>({conv.nets, groups, size});
  for_each_task(stream, conv.nets * groups, tiles.floats(), [&](std::int64_t task, std::int64_t, float* values) {
    const Range images = tiles.images(task / groups, task % groups);
    for (std::int64_t band = 0; band < tiles.bands(); ++band) {
      const Range rows = tiles.rows(band);
      Expander(conv).expand(images, rows, thin, values);
      const std::int64_t pixels = images.count * rows.count * conv.wide.w;
      const Matrix in(wide + (images.first * conv.wide.size() + rows.first * conv.wide.w) * conv.channels, pixels,
                      conv.channels);
      multiply(Matrix(values, pixels, conv.taps).transpose(), in,
               band == 0 ? WriteMode::overwrite : WriteMode::accumulate, sums.data + task * size, conv.channels);
    }
  });
  stream.pool().parallel_for(conv.nets * conv.taps, [&](std::int64_t task) {
    const std::int64_t net = task / conv.taps, tap = task % conv.taps;
    for (std::int64_t first = 0; first < conv.channels; first += kPanel) {
      const std::int64_t count = std::min<std::int64_t>(kPanel, conv.channels - first);
      float total[kPanel] = {};
      for (std::int64_t group = 0; group < groups; ++group) {
        const float* sum = sums.data + (net * groups + group) * size + tap * conv.channels + first;
        for (std::int64_t i = 0; i < count; ++i) total[i] += sum[i];
      }
      float* out = dw + net * size + (conv.contracts ? tap * conv.channels + first : first * conv.taps + tap);
      for (std::int64_t i = 0; i < count; ++i) write(mode, total[i], out[conv.contracts ? i : i * conv.taps]);
    }
  });
}

}  // namespace

bool is_thin(const ConvShape& shape) { return shape.kind == ConvKind::direct && (shape.cout == 1 || shape.cin == 1); }

void thin_forward(Stream& stream, const ConvShape& shape, const float* x, const float* w, const Epilogue& epilogue,
                  float* y) {
  const Thin conv(shape);
  (conv.contracts ? contract : expand)(stream, conv, x, w, epilogue, WriteMode::overwrite, y);
}

void thin_backward_input(Stream& stream, const ConvShape& shape, const float* dy, const float* w, WriteMode mode,
                         float* dx) {
  const Thin conv(shape);
  (conv.contracts ? expand : contract)(stream, conv, dy, w, Epilogue{}, mode, dx);
}

void thin_backward_weight(Stream& stream, const ConvShape& shape, const float* x, const float* dy, WriteMode mode,
                          float* dw) {
  const Thin conv(shape);
  weight_gradient(stream, conv, conv.contracts ? x : dy, conv.contracts ? dy : x, mode, dw);
}

}  // namespace clade::kernels::cpu
