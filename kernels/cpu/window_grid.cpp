// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/window_grid.h"

#include <algorithm>
#include <vector>

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/tasks.h"
#include "kernels/cpu/windows.h"

namespace clade::kernels::cpu {

namespace {

// Floats of unrolled windows that a task works on: they stay in the L2 cache of a core.
constexpr std::int64_t kTaskFloats = std::int64_t{1} << 18;
// Windows that are enough to pay for passing all filters by.
constexpr std::int64_t kTaskWindows = 256;
// Filters that a task reads side by side.
constexpr std::int64_t kTaskFeatures = 256;
// Values of a window whose weights' gradients a task sums.
constexpr std::int64_t kTaskDepth = 640;

/// A side cut into as many parts, as far as they are no narrower than products are at once.
Blocks cut(std::int64_t side, std::int64_t parts) {
  return {side, std::max<std::int64_t>(round_up(ceil_div(side, parts)), kPanelsAtOnce * kPanel)};
}

Matrix filters_of(const WindowGrid& grid, const float* weights, std::int64_t group) {
  return {weights + group * grid.features * grid.depth(), grid.features, grid.depth()};
}

/// The right factors of all groups. What several tasks use is brought into panels only once.
class Filters {
 public:
  /// `matrix_of` gives that of a group.
  template <class MatrixOf>
  Filters(Stream& stream, std::int64_t groups, bool shared, const MatrixOf& matrix_of) {
    const std::int64_t size = PackedPanels::size(matrix_of(0)), panels = ceil_div(matrix_of(0).width(), kPanel);
    float* memory = shared ? stream.scratch().view<float>({groups, size}).data : nullptr;
    for (std::int64_t group = 0; group < groups; ++group)
      if (shared)
        packed_.emplace_back(matrix_of(group), memory + group * size);
      else
        unpacked_.emplace_back(matrix_of(group));
    if (shared)
      stream.pool().parallel_for(groups * panels, [&](std::int64_t task) {
        PackedPanels::pack(matrix_of(task / panels), task % panels, memory + task / panels * size);
      });
  }
  const Panels& of(std::int64_t group) const {
    const auto i = static_cast<std::size_t>(group);
    if (packed_.empty()) return unpacked_[i];
    return packed_[i];
  }

 private:
  std::vector<MatrixPanels> unpacked_;
  std::vector<PackedPanels> packed_;
};

/// c [left.columns][width] (=|+=) transpose of left * part of right.
void add_products(const Matrix& left, const Panels& right, const Panels::Part& part, std::int64_t width, WriteMode mode,
                  float* c, std::int64_t stride) {
  alignas(64) float room[Panels::kRoom];
  for (std::int64_t begin = 0; begin < part.count; begin += kPanelsAtOnce) {
    const std::int64_t panels = std::min<std::int64_t>(kPanelsAtOnce, part.count - begin);
    const RightFactor taken = right.take({part.first, part.terms, part.panel + begin, panels}, room);
    Ahead nothing;
    multiply_part({left.data, 1, left.stride}, left.columns, taken, part.terms, width - begin * kPanel, mode,
                  c + begin * kPanel, stride, nothing);
  }
}

}  // namespace

void correlate(Stream& stream, const WindowGrid& grid, const float* image, const float* weights,
               const Epilogue& epilogue, WriteMode mode, float* features) {
  const ArenaScope scope(stream.scratch());
  const std::int64_t all = grid.n * grid.windows(), row_step = padded(grid.depth());
  const Blocks windows(all, std::clamp<std::int64_t>(kTaskFloats / row_step / kPanel * kPanel, kPanel, kTaskWindows));
  const Blocks columns = cut(grid.features, std::max(ceil_div(stream.pool().size(), grid.groups() * windows.count()),
                                                     ceil_div(std::int64_t{grid.features}, kTaskFeatures)));
  const Filters filters(stream, grid.groups(), windows.count() > 1,
                        [&](std::int64_t group) { return filters_of(grid, weights, group).transpose(); });
  for_each_task(
      stream, grid.groups() * windows.count() * columns.count(), windows.size(0) * row_step,
      [&](std::int64_t task, std::int64_t, float* rows) {
        const std::int64_t block = task / columns.count() % windows.count();
        const std::int64_t group = task / columns.count() / windows.count(), net = group / grid.phases();
        const Range own = windows.range(block);
        unroll(grid, group % grid.phases(), image + net * grid.n * grid.image_size(), own, rows, row_step);
        const Range range = columns.range(task % columns.count());
        float* out = features + (group * all + own.first) * grid.features + range.first;
        multiply({rows, own.count, grid.depth(), row_step}, filters.of(group), range, mode, out, grid.features);
        for (std::int64_t i = 0; i < own.count; ++i)
          epilogue.apply(net, range.first, range.count, out + i * grid.features);
      });
}

void correlate_adjoint(Stream& stream, const WindowGrid& grid, const float* features, const float* weights,
                       const Epilogue& epilogue, WriteMode mode, float* image) {
  const ArenaScope scope(stream.scratch());
  const std::int64_t taps = std::int64_t{grid.k} * grid.k,
                     sample_floats = grid.phases() * grid.windows() * grid.depth();
  const std::int64_t blocks = ceil_div(grid.n, std::clamp<std::int64_t>(kTaskFloats / sample_floats, 1, grid.n));
  const std::int64_t samples = ceil_div(grid.n, blocks);
  const Blocks channels = grid.channels % kPanel != 0
                              ? Blocks{grid.channels, grid.channels}
                              : cut(grid.channels, std::max(ceil_div(stream.pool().size(), grid.nets * blocks),
                                                            ceil_div(sample_floats, kTaskFloats)));
  const Filters filters(stream, grid.groups(), blocks > 1,
                        [&](std::int64_t group) { return filters_of(grid, weights, group); });
  const std::int64_t tap_step = channels.size(0), row_step = padded(taps * tap_step),
                     phase_step = samples * grid.windows() * row_step;
  const Roller roller(grid, {phase_step, row_step, tap_step});
  for_each_task(stream, grid.nets * blocks * channels.count(), grid.phases() * phase_step,
                [&](std::int64_t task, std::int64_t, float* rows) {
                  const Range range = channels.range(task % channels.count());
                  const std::int64_t net = task / channels.count() / blocks;
                  const std::int64_t first = task / channels.count() % blocks * samples;
                  const std::int64_t count = std::min(samples, grid.n - first);
                  for (std::int64_t phase = 0; phase < grid.phases(); ++phase) {
                    const std::int64_t group = net * grid.phases() + phase;
                    const Matrix in(features + (group * grid.n + first) * grid.windows() * grid.features,
                                    count * grid.windows(), grid.features);
                    float* out = rows + phase * phase_step;
                    if (range.count == grid.channels) {
                      multiply(in, filters.of(group), {0, grid.depth()}, WriteMode::overwrite, out, row_step);
                      continue;
                    }
                    for (std::int64_t tap = 0; tap < taps; ++tap)
                      multiply(in, filters.of(group), {tap * grid.channels + range.first, range.count},
                               WriteMode::overwrite, out + tap * tap_step, row_step);
                  }
                  for (std::int64_t i = 0; i < count; ++i)
                    roller.roll(rows + i * grid.windows() * row_step, net, range, epilogue, mode,
                                image + (net * grid.n + first + i) * grid.image_size());
                });
}

void correlate_weight_gradient(Stream& stream, const WindowGrid& grid, const float* image, const float* features,
                               WriteMode mode, float* dweights) {
  const ArenaScope scope(stream.scratch());
  const std::int64_t all = grid.n * grid.windows(), depth = grid.depth(), row_step = padded(depth);
  const bool whole_panels = grid.channels % kPanel == 0;
  const Blocks values(depth, kTaskDepth);
  const Blocks filters = cut(grid.features, ceil_div(stream.pool().size(), grid.groups() * values.count()));
  const Blocks sums(all, Panels::kTerms);
  const std::int64_t left_step = padded(filters.size(0)), left_size = left_step * Panels::kTerms;
  const std::int64_t rows_size = whole_panels ? 0 : Panels::kTerms * row_step;
  for_each_task(stream, grid.groups() * filters.count() * values.count(), left_size + rows_size,
                [&](std::int64_t task, std::int64_t, float* left) {
                  const std::int64_t group = task / values.count() / filters.count(), phase = group % grid.phases();
                  const float* in = image + group / grid.phases() * grid.n * grid.image_size();
                  const Range filter = filters.range(task / values.count() % filters.count());
                  const Range value = values.range(task % values.count());
                  float* out = dweights + (group * grid.features + filter.first) * depth + value.first;
                  const WindowPanels windows(grid, phase, in);
                  for (std::int64_t block = 0; block < sums.count(); ++block) {
                    const std::int64_t first = sums.first(block), terms = sums.size(block);
                    const Matrix gradients(left, terms, filter.count, left_step);
                    for (std::int64_t i = 0; i < terms; ++i)
                      std::copy_n(features + (group * all + first + i) * grid.features + filter.first, filter.count,
                                  left + i * left_step);
                    const WriteMode block_mode = block == 0 ? mode : WriteMode::accumulate;
                    const auto add = [&](const Panels& right, std::int64_t first_term) {
                      add_products(gradients, right,
                                   {first_term, terms, value.first / kPanel, ceil_div(value.count, kPanel)},
                                   value.count, block_mode, out, depth);
                    };
                    if (whole_panels) {
                      add(windows, first);
                    } else {
                      float* rows = left + left_size;
                      unroll(grid, phase, in, {first, terms}, rows, row_step);
                      add(MatrixPanels({rows, terms, depth, row_step}), 0);
                    }
                  }
                });
}

}  // namespace clade::kernels::cpu
