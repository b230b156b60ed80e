// SPDX-License-Identifier: Apache-2.0
// Weight gradients on tensor cores: features (M) x channels of one tap (N), summed over the pixels of all samples (K).
//
// Floor. A residual layer writes 2.4 MB a net, 1 us for both at 4.8 TB/s, and multiplies 75.5 MFLOP a sample: with 64 x
// 64 tiles that is 144 blocks a net with 2 to 4 stages each. Layers with fewer weights have more pixels, which are then
// split over blocks. Both operands run along channels, so pixels are the slow index of both tiles.
#include "kernels/cuda/conv_igemm.cuh"
#include "kernels/cuda/conv_plan.h"

namespace clade::kernels::cuda {

namespace {

constexpr int kTile = 64;   // features, and channels
constexpr int kDepth = 32;  // pixels a stage
constexpr int kStages = 4;
constexpr int kThreads = 128;       // 2 x 2 warps of 32 x 32
constexpr int kStride = kTile + 8;  // 32 lanes of a fragment load fall into 32 banks
constexpr int kStageFloats = kDepth * kStride;
constexpr std::size_t kShared = sizeof(float) * 2 * kStages * kStageFloats;

// Grid: (tap, channel tile), feature tile, (net, split).
template <bool Vector, bool Split>
__global__ void __launch_bounds__(kThreads, 2) weight_gradient_kernel(const __grid_constant__ WeightGradient p) {
  const int channel_tiles = (p.channels + kTile - 1) / kTile;
  const int tap_index = static_cast<int>(blockIdx.x) / channel_tiles;
  const int first_channel = static_cast<int>(blockIdx.x) % channel_tiles * kTile;
  const int first_feature = static_cast<int>(blockIdx.y) * kTile;
  const int net = static_cast<int>(blockIdx.z) / p.splits, split = static_cast<int>(blockIdx.z) % p.splits;
  const Tap tap = p.phases.taps[tap_index];
  int phase = 0;
  while (tap_index >= p.phases.first_tap[phase + 1]) ++phase;
  const int offset_row = p.phases.row_offset(phase), offset_column = p.phases.column_offset(phase);
  const int phase_h = phase_extent(p.feature_h, offset_row, p.phases.step);
  const int phase_w = phase_extent(p.feature_w, offset_column, p.phases.step);

  const std::int64_t image_size = std::int64_t{p.image_h} * p.image_w * p.channels;
  const std::int64_t features_size = std::int64_t{p.feature_h} * p.feature_w * p.feature_count;
  auto* a_tiles = shared_memory<float>();
  float* b_tiles = a_tiles + kStages * kStageFloats;

  const int pixels = p.n * phase_h * phase_w;
  const int iterations = (pixels + kDepth - 1) / kDepth;
  const int begin = static_cast<int>(std::int64_t{iterations} * split / p.splits);
  const int end = static_cast<int>(std::int64_t{iterations} * (split + 1) / p.splits);
  const int thread = static_cast<int>(threadIdx.x);

  const auto load_stage = [&](int iteration) {
    constexpr int kChunks = kTile / 4, kPerPass = kThreads / kChunks;
    const int slot = (iteration - begin) % kStages;
    const int column = thread % kChunks * 4;
    const int feature_columns = min(max(p.feature_count - first_feature - column, 0), 4);
    const int channel_columns = min(max(p.channels - first_channel - column, 0), 4);
#pragma unroll
    for (int i = 0; i < kDepth / kPerPass; ++i) {
      const int k = thread / kChunks + i * kPerPass;
      const RowPixel pixel(iteration * kDepth + k, p.n, phase_h, phase_w);
      const bool exists = pixel.image >= 0;
      const bool later = pixel.image >= p.uses[0].n;
      const WeightGradient::Use& use = p.uses[later ? 1 : 0];
      const int sample = pixel.image - (later ? p.uses[0].n : 0) + net * use.n;
      const std::int64_t feature =
          (std::int64_t{pixel.row * p.phases.step + offset_row} * p.feature_w + pixel.column * p.phases.step +
           offset_column) *
          p.feature_count;
      copy4<Vector>(a_tiles + slot * kStageFloats + k * kStride + column, use.features,
                    sample * features_size + feature + first_feature + column, exists ? feature_columns : 0);
      const int row = p.phases.rows[phase].source(p.phases.coordinate(pixel.row, offset_row), tap.row);
      const int source_column =
          p.phases.columns[phase].source(p.phases.coordinate(pixel.column, offset_column), tap.column);
      const std::int64_t source = (std::int64_t{row} * p.image_w + source_column) * p.channels;
      copy4<Vector>(b_tiles + slot * kStageFloats + k * kStride + column, use.image,
                    sample * image_size + source + first_channel + column,
                    exists && row >= 0 && source_column >= 0 ? channel_columns : 0);
    }
  };

  const int warp = thread / kWarp, lane = thread % kWarp, group = lane / 4, inside_group = lane % 4;
  const int warp_feature = warp / 2 * 32, warp_channel = warp % 2 * 32;
  float sums[2][4][4] = {};
#pragma unroll
  for (int stage = 0; stage < kStages - 1; ++stage) {
    if (begin + stage < end) load_stage(begin + stage);
    cp_async_commit();
  }
  for (int iteration = begin; iteration < end; ++iteration) {
    cp_async_wait<kStages - 2>();
    __syncthreads();  // this stage is there for all, and the one before it may be overwritten
    if (iteration + kStages - 1 < end) load_stage(iteration + kStages - 1);
    cp_async_commit();
    const int slot = (iteration - begin) % kStages;
    const float* a_tile = a_tiles + slot * kStageFloats + warp_feature;
    const float* b_tile = b_tiles + slot * kStageFloats + warp_channel;
#pragma unroll
    for (int k = 0; k < kDepth; k += 8) {
      FragmentA a[2];
      FragmentB b[4];
#pragma unroll
      for (int m = 0; m < 2; ++m) {
        const float* at = a_tile + (k + inside_group) * kStride + m * 16 + group;
        a[m] = {at[0], at[8], at[4 * kStride], at[4 * kStride + 8]};
      }
#pragma unroll
      for (int c = 0; c < 4; ++c) {
        const float* at = b_tile + (k + inside_group) * kStride + c * 8 + group;
        b[c] = {at[0], at[4 * kStride]};
      }
#pragma unroll
      for (int m = 0; m < 2; ++m)
#pragma unroll
        for (int c = 0; c < 4; ++c) multiply_add<Split>(sums[m][c], a[m], b[c]);
    }
  }
  cp_async_wait<0>();
  mma_wait();

  if (p.splits > 1) {
    const unsigned tile = (static_cast<unsigned>(net) * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    float* partial = p.partial + std::int64_t{tile} * p.splits * (kTile * kTile);
    int at = thread;
#pragma unroll
    for (int m = 0; m < 2; ++m)
#pragma unroll
      for (int c = 0; c < 4; ++c)
#pragma unroll
        for (int i = 0; i < 4; ++i, at += kThreads) partial[split * (kTile * kTile) + at] = sums[m][c][i];
    if (!last_block(p.counters + tile, static_cast<std::uint32_t>(p.splits))) return;
    at = thread;
#pragma unroll
    for (int m = 0; m < 2; ++m)
#pragma unroll
      for (int c = 0; c < 4; ++c)
#pragma unroll
        for (int i = 0; i < 4; ++i, at += kThreads) {
          float sum = 0.0f;
          for (int s = 0; s < p.splits; ++s) sum += partial[s * (kTile * kTile) + at];
          sums[m][c][i] = sum;
        }
  }

  float* dweights = p.dweights + net * p.net_weights + tap.weights;
#pragma unroll
  for (int m = 0; m < 2; ++m)
#pragma unroll
    for (int c = 0; c < 4; ++c)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int feature = first_feature + warp_feature + m * 16 + i / 2 * 8 + group;
        const int channel = first_channel + warp_channel + c * 8 + 2 * inside_group + i % 2;
        if (feature < p.feature_count && channel < p.channels)
          write(p.mode, sums[m][c][i], dweights + std::int64_t{feature} * p.feature_step + channel);
      }
}

template <bool Vector, bool Split>
void launch_weight_gradient(Stream& stream, WeightGradient problem, int nets) {
  std::int64_t pixels = 0;
  for (int phase = 0; phase < problem.phases.count; ++phase)
    pixels = std::max<std::int64_t>(
        pixels, std::int64_t{problem.n} *
                    phase_extent(problem.feature_h, problem.phases.row_offset(phase), problem.phases.step) *
                    phase_extent(problem.feature_w, problem.phases.column_offset(phase), problem.phases.step));
  const std::int64_t columns = problem.phases.first_tap[problem.phases.count] * ceil_div(problem.channels, kTile);
  const std::int64_t tiles = columns * ceil_div(problem.feature_count, kTile) * nets;
  problem.splits = tiles <= Stream::kCounters ? choose_splits(tiles, ceil_div(pixels, kDepth)) : 1;
  const ArenaScope scope(stream.scratch());
  if (problem.splits > 1) problem.partial = stream.scratch().view<float>({tiles, problem.splits, kTile * kTile}).data;
  problem.counters = stream.counters();
  launch(stream, weight_gradient_kernel<Vector, Split>,
         dim3(static_cast<unsigned>(columns), static_cast<unsigned>(ceil_div(problem.feature_count, kTile)),
              static_cast<unsigned>(nets * problem.splits)),
         dim3(kThreads), kShared, problem);
}

}  // namespace

void run_weight_gradient(Stream& stream, WeightGradient problem, int nets) {
  bool vector = true;
  for (const WeightGradient::Use& use : problem.uses)
    vector = vector && is_vectorisable({use.image, use.features}, {problem.channels, problem.feature_count});
  if (!vector) {
    launch_weight_gradient<false, true>(stream, problem, nets);
  } else if (stream.precision() == Precision::fp32) {
    launch_weight_gradient<true, true>(stream, problem, nets);
  } else {
    launch_weight_gradient<true, false>(stream, problem, nets);
  }
}

}  // namespace clade::kernels::cuda
