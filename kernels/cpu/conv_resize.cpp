// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/conv_resize.h"

#include <algorithm>

#include "kernels/cpu/window_grid.h"

namespace clade::kernels::cpu {

namespace {

constexpr int kPhases = 4;
// The phases of a chunk of outputs pass through a buffer of about this many floats.
constexpr std::int64_t kChunkFloats = std::int64_t{1} << 20;

/// The tap of the 2x2 window of a phase (0 even, 1 odd) that holds tap r of the 3x3 window, along one axis.
int phase_tap(int parity, int r) { return r > parity ? 1 : 0; }

/// The windows of all phases for `n` samples.
WindowGrid make_grid(const ConvShape& shape, std::int64_t n) {
  const auto line = [](int extent, int pad) { return AxisMap(extent, extent, 2, 1, pad, PadMode::replicate); };
  WindowGrid grid;
  grid.nets = shape.nets;
  grid.n = n;
  grid.channels = shape.cin;
  grid.features = shape.cout;
  grid.k = 2;
  grid.rows = {line(shape.h, 1), line(shape.h, 0)};
  grid.columns = {line(shape.w, 1), line(shape.w, 0)};
  return grid;
}

/// Calls body(phase, offset of the tap in the phase's weights, offset of the tap in the 3x3 weights) for one filter.
template <class Body>
void for_each_tap(std::int64_t channels, const Body& body) {
  for (int phase = 0; phase < kPhases; ++phase)
    for (int r = 0; r < 3; ++r)
      for (int s = 0; s < 3; ++s)
        body(phase, (2 * phase_tap(phase / 2, r) + phase_tap(phase % 2, s)) * channels, (3 * r + s) * channels);
}

/// Weights of the phases [nets, 4, cout, 2, 2, cin] from w [nets, cout, 3, 3, cin].
View<float> sum_taps(Stream& stream, const ConvShape& shape, const float* w) {
  const std::int64_t cin = shape.cin, cout = shape.cout;
  const View<float> phases = stream.scratch().view<float>({shape.nets * kPhases, cout, 4 * cin});
  stream.pool().parallel_for(shape.nets * cout, [&](std::int64_t filter) {
    const auto target = [&](int phase) {
      return phases.data + ((filter / cout * kPhases + phase) * cout + filter % cout) * 4 * cin;
    };
    for (int phase = 0; phase < kPhases; ++phase) std::fill_n(target(phase), 4 * cin, 0.0f);
    for_each_tap(cin, [&](int phase, std::int64_t to, std::int64_t from) {
      float* out = target(phase) + to;
      const float* in = w + filter * 9 * cin + from;
      for (std::int64_t i = 0; i < cin; ++i) out[i] += in[i];
    });
  });
  return phases;
}

/// Adjoint of `sum_taps`.
void spread_taps(Stream& stream, const ConvShape& shape, View<const float> phases, WriteMode mode, float* dw) {
  const std::int64_t cin = shape.cin, cout = shape.cout;
  stream.pool().parallel_for(shape.nets * cout, [&](std::int64_t filter) {
    float* target = dw + filter * 9 * cin;
    if (mode == WriteMode::overwrite) std::fill_n(target, 9 * cin, 0.0f);
    for_each_tap(cin, [&](int phase, std::int64_t from, std::int64_t to) {
      const float* in = phases.data + ((filter / cout * kPhases + phase) * cout + filter % cout) * 4 * cin + from;
      for (std::int64_t i = 0; i < cin; ++i) target[to + i] += in[i];
    });
  });
}

/// Samples [first, first + count) of every net, whose outputs move between y [nets, n, 2h, 2w, cout] and a buffer
/// of phases [nets, 4, count, h, w, cout].
struct Chunk {
  std::int64_t first;
  std::int64_t count;
};

enum class Direction { to_image, to_phases };

/// Image is float* or const float*, whichever side is written.
template <Direction direction, class Image>
void move_phases(Stream& stream, const ConvShape& shape, const Chunk& chunk, Image y, float* phases) {
  const std::int64_t h = shape.h, w = shape.w, cout = shape.cout;
  stream.pool().parallel_for(shape.nets * chunk.count * 2 * h, [&](std::int64_t task) {
    const std::int64_t net = task / (chunk.count * 2 * h);
    const std::int64_t sample = task / (2 * h) % chunk.count;
    const std::int64_t row = task % (2 * h);
    const auto line = y + ((net * shape.n + chunk.first + sample) * 2 * h + row) * 2 * w * cout;
    for (std::int64_t column = 0; column < 2 * w; ++column) {
      const std::int64_t phase = 2 * (row % 2) + column % 2;
      float* cell = phases + ((((net * kPhases + phase) * chunk.count + sample) * h + row / 2) * w + column / 2) * cout;
      if constexpr (direction == Direction::to_image) {
        std::copy_n(cell, cout, line + column * cout);
      } else {
        std::copy_n(line + column * cout, cout, cell);
      }
    }
  });
}

/// Calls body(chunk, grid, first sample of x, buffer). With several nets the samples of a chunk are not contiguous in
/// x, so they are taken all at once: such calls are training steps, with few samples.
template <class Body>
void for_each_chunk(Stream& stream, const ConvShape& shape, const Body& body) {
  const std::int64_t sample = kPhases * std::int64_t{shape.h} * shape.w * shape.cout;
  const std::int64_t step = shape.nets > 1 ? shape.n : std::clamp<std::int64_t>(kChunkFloats / sample, 1, shape.n);
  for (std::int64_t first = 0; first < shape.n; first += step) {
    const Chunk chunk{first, std::min<std::int64_t>(step, shape.n - first)};
    const ArenaScope scope(stream.scratch());
    const View<float> buffer = stream.scratch().view<float>({shape.nets, chunk.count, sample});
    body(chunk, make_grid(shape, chunk.count), first * shape.h * shape.w * shape.cin, buffer.data);
  }
}

}  // namespace

void resize_forward(Stream& stream, const ConvShape& shape, const float* x, const float* w, const Epilogue& epilogue,
                    float* y) {
  const ArenaScope scope(stream.scratch());
  const View<float> weights = sum_taps(stream, shape, w);
  for_each_chunk(stream, shape, [&](const Chunk& chunk, const WindowGrid& grid, std::int64_t offset, float* buffer) {
    correlate(stream, grid, x + offset, weights.data, epilogue, WriteMode::overwrite, buffer);
    move_phases<Direction::to_image>(stream, shape, chunk, y, buffer);
  });
}

void resize_backward_input(Stream& stream, const ConvShape& shape, const float* dy, const float* w, WriteMode mode,
                           float* dx) {
  const ArenaScope scope(stream.scratch());
  const View<float> weights = sum_taps(stream, shape, w);
  for_each_chunk(stream, shape, [&](const Chunk& chunk, const WindowGrid& grid, std::int64_t offset, float* buffer) {
    move_phases<Direction::to_phases>(stream, shape, chunk, dy, buffer);
    correlate_adjoint(stream, grid, buffer, weights.data, Epilogue{}, mode, dx + offset);
  });
}

void resize_backward_weight(Stream& stream, const ConvShape& shape, const float* x, const float* dy, WriteMode mode,
                            float* dw) {
  const ArenaScope scope(stream.scratch());
  const View<float> gradient =
      stream.scratch().view<float>({shape.nets * kPhases, shape.cout, std::int64_t{4} * shape.cin});
  for_each_chunk(stream, shape, [&](const Chunk& chunk, const WindowGrid& grid, std::int64_t offset, float* buffer) {
    move_phases<Direction::to_phases>(stream, shape, chunk, dy, buffer);
    correlate_weight_gradient(stream, grid, x + offset, buffer,
                              chunk.first == 0 ? WriteMode::overwrite : WriteMode::accumulate, gradient.data);
  });
  spread_taps(stream, shape, gradient, mode, dw);
}

}  // namespace clade::kernels::cpu
