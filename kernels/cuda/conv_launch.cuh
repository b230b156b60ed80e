// SPDX-License-Identifier: Apache-2.0
// From a Gemm to the kernel that runs it; included by one file per layout of the weights, which compile side by side.
#pragma once

#include "kernels/cuda/conv_igemm.cuh"
#include "kernels/cuda/conv_plan.h"

namespace clade::kernels::cuda {

template <class Tile, bool DepthFastest, bool Vector, Product How>
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
      stream, gemm_kernel<Tile, DepthFastest, Vector, How>,
      dim3(static_cast<unsigned>(tiles_n), static_cast<unsigned>(tiles_m), static_cast<unsigned>(layers * gemm.splits)),
      dim3(Tile::kThreads), Tile::kShared, gemm);
}

/// Whether the loader can move 16 bytes at a time.
template <bool DepthFastest>
bool is_vectorisable(const Gemm& gemm) {
  for (int tap = 0; tap < gemm.phases.first_tap[gemm.phases.count]; ++tap)
    if (gemm.phases.taps[tap].weights % 4 != 0) return false;
  const int contiguous = DepthFastest ? gemm.channels : gemm.out_channels;
  const int step = DepthFastest ? gemm.n_step : gemm.k_step;
  return gemm.net_weights % 4 == 0 && is_vectorisable({gemm.source, gemm.weights}, {gemm.channels, contiguous, step});
}

/// Large tiles where they fill the device, small ones elsewhere. Every kernel takes a minute to compile, so the rare
/// cases share one: what cannot be moved 16 bytes at a time is always float32, and float32 always takes small tiles.
template <bool DepthFastest>
void run_gemm_as(Stream& stream, const Gemm& gemm, int nets) {
  if (!is_vectorisable<DepthFastest>(gemm))
    return launch_gemm<SmallTile, DepthFastest, false, Product::split_tf32>(stream, gemm, nets);
  if (stream.precision() == Precision::fp32)
    return launch_gemm<SmallTile, DepthFastest, true, Product::split_tf32>(stream, gemm, nets);
  const std::int64_t pixels = std::int64_t{gemm.n} * gemm.out_h * gemm.out_w / gemm.phases.count;
  const std::int64_t large_tiles =
      ceil_div(pixels, LargeTile::kM) * ceil_div(gemm.out_channels, LargeTile::kN) * gemm.phases.count * nets;
  const bool large = gemm.out_channels >= LargeTile::kN && large_tiles >= kTargetBlocks / 4;
  const auto launch_as = [&]<Product How> {
    if (large) {
      launch_gemm<LargeTile, DepthFastest, true, How>(stream, gemm, nets);
    } else {
      launch_gemm<SmallTile, DepthFastest, true, How>(stream, gemm, nets);
    }
  };
  if (stream.precision() == Precision::bf16) {
    launch_as.template operator()<Product::bf16>();
  } else {
    launch_as.template operator()<Product::tf32>();
  }
}

void run_gemm_depth_fastest(Stream& stream, const Gemm& gemm, int nets);
void run_gemm_depth_slow(Stream& stream, const Gemm& gemm, int nets);

}  // namespace clade::kernels::cuda
