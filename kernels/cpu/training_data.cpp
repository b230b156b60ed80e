// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "core/philox.h"
#include "kernels/kernels.h"

namespace clade::kernels::cpu {

void finish_losses(Stream&, const ScalarList& losses, int batch, View<StepControl> control, View<float> log) {
  StepControl& state = control[0];
  if (state.finite == 0) return;
  float* row = log.data + state.row % log.shape[0] * losses.count;
  for (int i = 0; i < losses.count; ++i) {
    row[i] = *losses.values[i];
    if (!std::isfinite(row[i])) state.finite = 0;
  }
  ++state.row;
  if (state.finite == 0) return;
  ++state.step;
  state.pair += batch;
}

void take_pairs(Stream&, View<const StepControl> control, View<const float> data_x, View<const float> data_y,
                View<float> x, View<float> y) {
  const std::int64_t pairs = data_x.shape[0], pixels = data_x.shape[1];
  for (std::int64_t i = 0; i < x.shape[0]; ++i) {
    const std::int64_t from = (control[0].pair + i) % pairs * pixels;
    std::copy_n(data_x.data + from, pixels, x.data + i * pixels);
    std::copy_n(data_y.data + from, pixels, y.data + i * pixels);
  }
}

void pool_exchange(Stream&, const PoolRule& rule, View<const StepControl> control, View<const float> fakes,
                   View<float> pool, View<float> shown) {
  const std::int64_t count = fakes.shape[0], pixels = fakes.shape[1];
  std::copy_n(fakes.data, fakes.size(), shown.data);
  for (std::int64_t sample = 0; sample < count; ++sample) {
    const std::int64_t image = control[0].step * count + sample;
    float* seen = shown.data + sample * pixels;
    if (image < rule.capacity) {
      std::copy_n(seen, pixels, pool.data + image * pixels);
      continue;
    }
    RandomSequence random(rule.seed, RandomUse::pool, static_cast<std::uint64_t>(image));
    if (random.next_below(2) == 0) continue;
    const std::int64_t slot = random.next_below(static_cast<std::uint32_t>(rule.capacity));
    std::swap_ranges(seen, seen + pixels, pool.data + slot * pixels);
  }
}

}  // namespace clade::kernels::cpu
