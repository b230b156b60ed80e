// SPDX-License-Identifier: Apache-2.0
// From a Gemm to the kernel that runs it; included by one file per layout of the weights, which compile side by side.
#pragma once

#include "kernels/cuda/conv_igemm.cuh"
#include "kernels/cuda/conv_plan.h"

namespace clade::kernels::cuda {

template <class Tile, bool DepthFastest, bool Vector, bool Split>
void launch_gemm(Stream& stream, Gemm gemm, int nets) {
  std::int64_t pixels = 0, steps = 0;
  for (int phase = 0; phase < gemm.phases.count; ++phase) {
    const std::int64_t rows = phase_extent(gemm.out_h, gemm.phases.row_offset(phase), gemm.phases.step);
    const std::int64_t columns = phase_extent(gemm.out_w, gemm.phases.column_offset(phase), gemm.phases.step);
    pixels = std::max(pixels, gemm.n * rows * columns);
    steps = std::max(steps, gemm.phases.tap_count(phase) * ceil_div(gemm.channels, Tile::kK));
  }
  const std::int64_t tiles_n = ceil_div(gemm.out_channels, Tile::kN), tiles_m = ceil_div(pixels, Tile::kM);
  const std::int64_t layers = std::int64_t{nets} * gemm.phases.count;
  gemm.splits = tiles_n * tiles_m * layers <= Stream::kCounters ? choose_splits(tiles_n * tiles_m * layers, steps) : 1;
  CLADE_CHECK(tiles_m <= 65535 && layers * gemm.splits <= 65535, ErrorCode::internal, "a convolution of ", tiles_m,
              " x ", tiles_n, " tiles in ", layers, " layers");
  const ArenaScope scope(stream.scratch());
  if (gemm.splits > 1)
    gemm.partial = stream.scratch().view<float>({tiles_n * tiles_m * layers, gemm.splits, Tile::kM * Tile::kN}).data;
  gemm.counters = stream.counters();
  launch(
      stream, gemm_kernel<Tile, DepthFastest, Vector, Split>,
      dim3(static_cast<unsigned>(tiles_n), static_cast<unsigned>(tiles_m), static_cast<unsigned>(layers * gemm.splits)),
      dim3(Tile::kThreads), Tile::kShared, gemm);
}

/// Large tiles where they fill the device, small ones elsewhere.
template <bool DepthFastest, bool Split>
void run_gemm_as(Stream& stream, const Gemm& gemm, int nets) {
  const int contiguous = DepthFastest ? gemm.channels : gemm.out_channels;
  const int step = DepthFastest ? gemm.n_step : gemm.k_step;
  bool aligned = gemm.net_weights % 4 == 0;
  for (int tap = 0; tap < gemm.phases.first_tap[gemm.phases.count]; ++tap)
    aligned = aligned && gemm.phases.taps[tap].weights % 4 == 0;
  if (!aligned || !is_vectorisable({gemm.source, gemm.weights}, {gemm.channels, contiguous, step}))
    return launch_gemm<SmallTile, DepthFastest, false, Split>(stream, gemm, nets);
  const std::int64_t pixels = std::int64_t{gemm.n} * gemm.out_h * gemm.out_w / gemm.phases.count;
  const std::int64_t large_tiles =
      ceil_div(pixels, LargeTile::kM) * ceil_div(gemm.out_channels, LargeTile::kN) * gemm.phases.count * nets;
  if (gemm.out_channels >= LargeTile::kN && large_tiles >= kTargetBlocks / 4)
    return launch_gemm<LargeTile, DepthFastest, true, Split>(stream, gemm, nets);
  launch_gemm<SmallTile, DepthFastest, true, Split>(stream, gemm, nets);
}

void run_gemm_depth_fastest(Stream& stream, const Gemm& gemm, int nets);
void run_gemm_depth_slow(Stream& stream, const Gemm& gemm, int nets);

}  // namespace clade::kernels::cuda
