// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/windows.h"

#include <algorithm>
#include <type_traits>

namespace clade::kernels::cpu {

namespace {

/// Calls body(image of the sample, row, column) for each window of the range.
template <class Body>
void for_each_window(const WindowGrid& grid, const float* image, const Range& range, const Body& body) {
  image += range.first / grid.windows() * grid.image_size();
  const auto inside = static_cast<int>(range.first % grid.windows());
  int row = inside / grid.grid_w(), column = inside % grid.grid_w();
  for (std::int64_t i = 0; i < range.count; ++i) {
    body(image, row, column);
    if (++column < grid.grid_w()) continue;
    column = 0;
    if (++row < grid.grid_h()) continue;
    row = 0;
    image += grid.image_size();
  }
}

/// Values of the window at (row, column).
void copy_window(const WindowGrid& grid, std::int64_t phase, const float* image, int row, int column, float* out) {
  const AxisMap& rows = grid.row_map(phase);
  const AxisMap& columns = grid.column_map(phase);
  const std::int64_t channels = grid.channels, line = grid.k * channels;
  for (int tap_row = 0; tap_row < grid.k; ++tap_row, out += line) {
    const int source_row = rows.source(row, tap_row);
    if (source_row < 0) {
      std::fill_n(out, line, 0.0f);
      continue;
    }
    const float* in = image + source_row * grid.image_w() * channels;
    if (columns.contiguous(column)) {
      std::copy_n(in + columns.source(column, 0) * channels, line, out);
      continue;
    }
    for (int tap = 0; tap < grid.k; ++tap) {
      const int source = columns.source(column, tap);
      if (source < 0) {
        std::fill_n(out + tap * channels, channels, 0.0f);
      } else {
        std::copy_n(in + source * channels, channels, out + tap * channels);
      }
    }
  }
}

}  // namespace

void unroll(const WindowGrid& grid, std::int64_t phase, const float* image, const Range& windows, float* rows,
            std::int64_t row_step) {
  float* out = rows;
  for_each_window(grid, image, windows, [&](const float* sample, int row, int column) {
    copy_window(grid, phase, sample, row, column, out);
    out += row_step;
  });
}

Roller::Readers::Readers(const AxisMap& map, std::int64_t window_step, std::int64_t tap_step) {
  first_.reserve(static_cast<std::size_t>(map.extent()) + 1);
  offsets_.reserve(map.readers().size());
  for (int pixel = 0; pixel < map.extent(); ++pixel) {
    first_.push_back(offsets_.size());
    for (const auto& reader : map.readers(pixel))
      offsets_.push_back(reader.window * window_step + reader.tap * tap_step);
  }
  first_.push_back(offsets_.size());
}

std::span<const std::int64_t> Roller::Readers::of(int pixel) const {
  const auto i = static_cast<std::size_t>(pixel);
  return {offsets_.data() + first_[i], first_[i + 1] - first_[i]};
}

Roller::Roller(const WindowGrid& grid, const WindowSteps& steps) : grid_(grid) {
  for (std::int64_t phase = 0; phase < grid.phases(); ++phase)
    phases_.push_back({phase * steps.phase,
                       {grid.row_map(phase), grid.grid_w() * steps.window, grid.k * steps.tap},
                       {grid.column_map(phase), steps.window, steps.tap}});
  if (phases_.size() == 1) {
    rows_ = pairs_of(phases_[0].rows, grid.image_h());
    columns_ = pairs_of(phases_[0].columns, grid.image_w());
  }
}

std::vector<Roller::Pair> Roller::pairs_of(const Readers& readers, int pixels) {
  std::vector<Pair> pairs;
  for (int pixel = 0; pixel < pixels; ++pixel) {
    const std::span<const std::int64_t> offsets = readers.of(pixel);
    if (offsets.empty() || offsets.size() > 2) return {};
    pairs.push_back({offsets.front(), offsets.back(), offsets.size() == 2 ? 1.0f : 0.0f});
  }
  return pairs;
}

void Roller::roll(const float* values, std::int64_t net, const Range& channels, const Epilogue& epilogue,
                  WriteMode mode, float* image) const {
  if (!rows_.empty() && !columns_.empty() && channels.count % kWideLanes == 0) {
    roll_pairs(values, net, channels, epilogue, mode, image);
    return;
  }
  const bool adds = mode == WriteMode::accumulate;
  for (int row = 0; row < grid_.image_h(); ++row)
    for (int column = 0; column < grid_.image_w(); ++column) {
      float* out = image + (std::int64_t{row} * grid_.image_w() + column) * grid_.channels + channels.first;
      // Sums of a few channels at a time stay in a register.
      const auto sum = [&](std::int64_t channel, auto total) {
        using Value = decltype(total);
        if (adds) total = load<Value>(out + channel);
        for (const Phase& phase : phases_)
          for (const std::int64_t vertical : phase.rows.of(row))
            for (const std::int64_t horizontal : phase.columns.of(column))
              total += load<Value>(values + phase.offset + vertical + horizontal + channel);
        store(out + channel, epilogue.finished(net, channels.first + channel, total, out + channel));
      };
      std::int64_t channel = 0;
      for (; channel + kWideLanes <= channels.count; channel += kWideLanes) sum(channel, WideLanes{});
      for (; channel < channels.count; ++channel) sum(channel, 0.0f);
    }
}

// Loops over one reader here and two there would end where no processor foretells it.
void Roller::roll_pairs(const float* values, std::int64_t net, const Range& channels, const Epilogue& epilogue,
                        WriteMode mode, float* image) const {
  const bool adds = mode == WriteMode::accumulate;
  const Epilogue finish = epilogue;  // of its own: what is stored below cannot change it
  float* out = image + channels.first;
  for (const Pair& row : rows_) {
    const float* upper = values + row.first;
    const float* lower = values + row.second;
    for (const Pair& column : columns_) {
      for (std::int64_t i = 0; i < channels.count; i += kWideLanes) {
        const WideLanes above =
            load<WideLanes>(upper + column.first + i) + column.weight * load<WideLanes>(upper + column.second + i);
        const WideLanes below =
            load<WideLanes>(lower + column.first + i) + column.weight * load<WideLanes>(lower + column.second + i);
        WideLanes sum = above + row.weight * below;
        if (adds) sum += load<WideLanes>(out + i);
        store(out + i, finish.finished(net, channels.first + i, sum, out + i));
      }
      out += grid_.channels;
    }
  }
}

WindowPanels::WindowPanels(const WindowGrid& grid, std::int64_t phase, const float* image)
    : Panels(grid.n * grid.windows(), grid.depth()), grid_(grid), phase_(phase), image_(image) {}

RightFactor WindowPanels::take(const Part& part, float* room) const {
  const AxisMap& rows = grid_.row_map(phase_);
  const AxisMap& columns = grid_.column_map(phase_);
  const std::int64_t channels = grid_.channels, panel_size = part.terms * kPanel;
  const auto copy = [&](auto count, std::int64_t panel) {
    const std::int64_t value = panel * kPanel;
    const auto tap = static_cast<int>(value / channels), tap_row = tap / grid_.k, tap_column = tap % grid_.k;
    float* out = room + (panel - part.panel) * panel_size;
    for_each_window(grid_, image_ + value % channels, {part.first, part.terms},
                    [&](const float* image, int row, int column) {
                      const int y = rows.source(row, tap_row), x = columns.source(column, tap_column);
                      const float* pixel = image + (std::int64_t{y} * grid_.image_w() + x) * channels;
                      for (int i = 0; i < count; ++i) {
                        if (y < 0 || x < 0) {
                          std::fill_n(out + i * panel_size, kPanel, 0.0f);
                        } else {
                          std::copy_n(pixel + i * kPanel, kPanel, out + i * panel_size);
                        }
                      }
                      out += kPanel;
                    });
  };
  // Two panels of one tap are neighbours in each pixel.
  if (part.count == kPanelsAtOnce && part.panel * kPanel % channels + kPanel < channels) {
    copy(std::integral_constant<int, kPanelsAtOnce>{}, part.panel);
  } else {
    for (std::int64_t i = 0; i < part.count; ++i) copy(std::integral_constant<int, 1>{}, part.panel + i);
  }
  return {room, part.count, panel_size};
}

}  // namespace clade::kernels::cpu
