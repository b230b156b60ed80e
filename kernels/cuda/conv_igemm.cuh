// SPDX-License-Identifier: Apache-2.0
// Implicit GEMM on tensor cores: outputs (M = pixels of a phase) x (N = channels), K = taps x channels of the source.
//
// Serves the forward pass and the input gradient of every kind of convolution: they differ in where a tap looks
// (conv_index.cuh) and in which index of the weights runs fastest. Nothing is unrolled in memory: the loader works out
// the pixel of each row when the tap changes and then streams its channels.
//
// Floors. Residual layer, 75.5 MFLOP a sample and net: training (1 to 2 samples, 2 nets) streams 4.7 MB of weights, 1
// us at 4.8 TB/s, so K is split over blocks until all multiprocessors stream at once; inference (256 samples) is 19.3
// GFLOP, 39 us at 495 TFLOP/s of TF32. Tiles: 64 x 64 with K = 32 a stage for the former (9 KB of weights in flight per
// stage and block), 128 x 128 with K = 16 for the latter (64 products a warp per 24 shared memory reads a thread).
#pragma once

#include "kernels/cuda/conv_index.cuh"
#include "kernels/cuda/epilogue.cuh"
#include "kernels/cuda/loops.cuh"
#include "kernels/cuda/mma.cuh"

namespace clade::kernels::cuda {

/// One implicit GEMM, all nets and phases. Images are [nets, n, h, w, channels].
struct Gemm {
  const float* source;
  const float* weights;
  float* out;
  int n;
  int source_h, source_w, channels;  // K
  int out_h, out_w, out_channels;    // M and N
  std::int64_t net_weights;          // weights of a net
  int k_step, n_step;  // from channel to channel and from output channel to output channel; one of them is 1
  Epilogue epilogue;
  WriteMode mode;
  int splits;      // of K, over blocks
  float* partial;  // [tiles, splits, BM * BN] if splits > 1
  std::uint32_t* counters;
  Phases phases;
};

/// Rows and columns of the block, depth of a stage, stages in flight, rows and columns of a warp.
template <int BM, int BN, int BK, int Stages, int WM, int WN>
struct TileShape {
  static constexpr int kM = BM, kN = BN, kK = BK, kStages = Stages, kWarpM = WM, kWarpN = WN;
  static constexpr int kThreads = BM / WM * (BN / WN) * kWarp;
  static constexpr int kAtomsM = WM / 16, kAtomsN = WN / 8;
  // Rows of a tile are padded so that the 32 lanes of a fragment load fall into 32 banks.
  static constexpr int kDepthStride = BK + 4;  // k runs fastest: banks (row * 4 + k) mod 32 or (row * 20 + k) mod 32
  static constexpr int kWideStride = BN + 8;   // columns run fastest: banks (k * 8 + column) mod 32
  static constexpr int kAFloats = BM * kDepthStride;
  static constexpr int kBFloats = BN * kDepthStride > BK* kWideStride ? BN* kDepthStride : BK* kWideStride;
  static constexpr std::size_t kShared = sizeof(float) * Stages * (kAFloats + kBFloats);
};
using SmallTile = TileShape<64, 64, 32, 4, 32, 32>;
using LargeTile = TileShape<128, 128, 16, 4, 64, 32>;

/// How the factors of a product meet.
enum class Product {
  tf32,        ///< rounded to TF32
  split_tf32,  ///< float32 out of three TF32 products
  bf16         ///< rounded to BF16
};

/// A factor as one TF32 value, or as two that together carry 22 bits of mantissa.
template <bool Split>
struct Factor {
  std::uint32_t high;
  std::uint32_t low;
  __device__ explicit Factor(float value) : high(to_tf32(value)) {
    if constexpr (Split) low = to_tf32(value - __uint_as_float(high));
  }
};

/// Fragments of a warp for a depth of 8, as floats: a is (g, t) (g + 8, t) (g, t + 4) (g + 8, t + 4), b (t, g) (t + 4, g).
struct FragmentA {
  float value[4];
};
struct FragmentB {
  float value[2];
};

/// d += a * b over a depth of 8; of a split product small terms first.
template <bool Split>
__device__ inline void multiply_add(float (&d)[4], const FragmentA& a, const FragmentB& b) {
  const Factor<Split> a0(a.value[0]), a1(a.value[1]), a2(a.value[2]), a3(a.value[3]), b0(b.value[0]), b1(b.value[1]);
  const std::uint32_t a_high[4] = {a0.high, a1.high, a2.high, a3.high}, b_high[2] = {b0.high, b1.high};
  if constexpr (Split) {
    const std::uint32_t a_low[4] = {a0.low, a1.low, a2.low, a3.low}, b_low[2] = {b0.low, b1.low};
    mma_tf32(d, a_low, b_high);
    mma_tf32(d, a_high, b_low);
  }
  mma_tf32(d, a_high, b_high);
}

/// d += a * b over a depth of 16, the eights `first` and `second`. BF16 fragments are pairs of neighbours along the
/// depth; which two values are called neighbours does not matter to a sum as long as a and b agree, and t with t + 4
/// are the two that a lane can read from shared memory without bank conflicts.
__device__ inline void multiply_add_bf16(float (&d)[4], const FragmentA& first_a, const FragmentA& second_a,
                                         const FragmentB& first_b, const FragmentB& second_b) {
  const std::uint32_t a[4] = {
      to_bf16(first_a.value[0], first_a.value[2]), to_bf16(first_a.value[1], first_a.value[3]),
      to_bf16(second_a.value[0], second_a.value[2]), to_bf16(second_a.value[1], second_a.value[3])};
  const std::uint32_t b[2] = {to_bf16(first_b.value[0], first_b.value[1]), to_bf16(second_b.value[0], second_b.value[1])};
  mma_bf16(d, a, b);
}

/// The pixel of a phase that a row of the tile stands for.
struct RowPixel {
  int image = -1;  // sample, -1 beyond the last pixel
  int row = 0;     // in the phase
  int column = 0;
  __device__ RowPixel() = default;
  __device__ RowPixel(int index, int n, int rows, int columns) {
    const int pixels = rows * columns;
    if (index >= n * pixels) return;
    image = index / pixels;
    const int inside = index - image * pixels;
    row = inside / columns;
    column = inside - row * columns;
  }
};

/// Starts copying base[offset] and the three values behind it to shared memory; only `valid` of them exist, and zeros
/// stand for the others.
template <bool Vector>
__device__ inline void copy4(float* to, const float* base, std::int64_t offset, int valid) {
  if constexpr (Vector) {
    cp_async16(to, valid > 0 ? base + offset : base, valid > 0);
  } else {
    for (int i = 0; i < 4; ++i) cp_async4(to + i, i < valid ? base + offset + i : base, i < valid);
  }
}

/// to[0..4) = sum over the sources of a tap of the `valid` values from their channel on; `image` points to the first
/// pixel.
[[maybe_unused]] static CLADE_NOINLINE __device__ void add_sources(const AxisRule& rows, const AxisRule& columns, int row, int column,
                                                  Tap tap, const float* image, int width, int channels, int valid,
                                                  float* to) {
  float sums[4] = {};
  for_each_source(rows, columns, row, column, tap, [&](int r, int c) {
    const float* from = image + (std::int64_t{r} * width + c) * channels;
    for (int j = 0; j < 4; ++j)
      if (j < valid) sums[j] += from[j];
  });
  for (int j = 0; j < 4; ++j) to[j] = sums[j];
}

/// DepthFastest: weights of an output channel are contiguous in K (k_step == 1). Vector: all rows start at multiples of
/// 16 bytes and hold multiples of 4 values.
template <class Tile, bool DepthFastest, bool Vector, Product How>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kThreads > 128 ? 1 : 2) gemm_kernel(const __grid_constant__ Gemm p) {
  constexpr int kRowChunks = Tile::kK / 4;  // of 16 bytes
  constexpr int kRowsPerPass = Tile::kThreads / kRowChunks;
  constexpr int kRows = Tile::kM / kRowsPerPass;  // of A that a thread loads
  static_assert(Tile::kM % kRowsPerPass == 0 && Tile::kThreads % kRowChunks == 0);

  const int net_phase = static_cast<int>(blockIdx.z) / p.splits, split = static_cast<int>(blockIdx.z) % p.splits;
  const int net = net_phase / p.phases.count, phase = net_phase % p.phases.count;
  const int offset_row = p.phases.row_offset(phase), offset_column = p.phases.column_offset(phase);
  const int phase_h = phase_extent(p.out_h, offset_row, p.phases.step);
  const int phase_w = phase_extent(p.out_w, offset_column, p.phases.step);
  const int first_row = static_cast<int>(blockIdx.y) * Tile::kM, first_column = static_cast<int>(blockIdx.x) * Tile::kN;
  if (first_row >= p.n * phase_h * phase_w) return;

  const AxisRule& rows_rule = p.phases.rows[phase];
  const AxisRule& columns_rule = p.phases.columns[phase];
  const std::int64_t source_image = std::int64_t{p.source_h} * p.source_w;
  const float* source = p.source + net * p.n * source_image * p.channels;
  const float* weights = p.weights + net * p.net_weights;

  auto* a_tiles = shared_memory<float>();
  float* b_tiles = a_tiles + Tile::kStages * Tile::kAFloats;

  const int thread = static_cast<int>(threadIdx.x);
  const int chunk = thread % kRowChunks * 4, load_row = thread / kRowChunks;
  RowPixel pixels[kRows];
  int found[kRows];  // source pixel of the current tap, counted over the samples of the net
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
    pixels[i] = RowPixel(first_row + load_row + i * kRowsPerPass, p.n, phase_h, phase_w);
    found[i] = AxisRule::kNone;
  }

  const int depth_chunks = (p.channels + Tile::kK - 1) / Tile::kK;
  const int iterations = p.phases.tap_count(phase) * depth_chunks;
  const int begin = static_cast<int>(std::int64_t{iterations} * split / p.splits);
  const int end = static_cast<int>(std::int64_t{iterations} * (split + 1) / p.splits);
  int loaded_tap = -1;

  const auto load_stage = [&](int iteration) {
    const int slot = (iteration - begin) % Tile::kStages;
    const int tap_index = iteration / depth_chunks, first_channel = iteration % depth_chunks * Tile::kK;
    const Tap tap = p.phases.taps[p.phases.first_tap[phase] + tap_index];
    if (tap_index != loaded_tap) {
      loaded_tap = tap_index;
#pragma unroll
      for (int i = 0; i < kRows; ++i) {
        found[i] = AxisRule::kNone;
        if (pixels[i].image < 0) continue;
        const int row = rows_rule.source(p.phases.coordinate(pixels[i].row, offset_row), tap.row);
        const int column = columns_rule.source(p.phases.coordinate(pixels[i].column, offset_column), tap.column);
        if (row == AxisRule::kNone || column == AxisRule::kNone) continue;
        found[i] = row == AxisRule::kSeveral || column == AxisRule::kSeveral
                       ? AxisRule::kSeveral
                       : (pixels[i].image * p.source_h + row) * p.source_w + column;
      }
    }
    const int channel = first_channel + chunk;
    const int valid = min(max(p.channels - channel, 0), 4);
    float* a_tile = a_tiles + slot * Tile::kAFloats;
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
      float* to = a_tile + (load_row + i * kRowsPerPass) * Tile::kDepthStride + chunk;
      if (found[i] != AxisRule::kSeveral) {
        const bool exists = found[i] >= 0;
        copy4<Vector>(to, source, std::int64_t{found[i]} * p.channels + channel, exists ? valid : 0);
        continue;
      }
      // A pixel at a mirrored border has several readers: rare, so these are added here and now.
      add_sources(rows_rule, columns_rule, p.phases.coordinate(pixels[i].row, offset_row),
                  p.phases.coordinate(pixels[i].column, offset_column), tap,
                  source + pixels[i].image * source_image * p.channels + channel, p.source_w, p.channels, valid, to);
    }

    float* b_tile = b_tiles + slot * Tile::kBFloats;
    if constexpr (DepthFastest) {
      constexpr int kPasses = Tile::kN / kRowsPerPass;
      static_assert(Tile::kN % kRowsPerPass == 0);
#pragma unroll
      for (int i = 0; i < kPasses; ++i) {
        const int column = load_row + i * kRowsPerPass;
        const bool inside = first_column + column < p.out_channels;
        copy4<Vector>(b_tile + column * Tile::kDepthStride + chunk, weights,
                      tap.weights + std::int64_t{first_column + column} * p.n_step + channel, inside ? valid : 0);
      }
    } else {
      constexpr int kColumnChunks = Tile::kN / 4;
      constexpr int kDepthPerPass = Tile::kThreads / kColumnChunks;
      static_assert(Tile::kK % kDepthPerPass == 0);
      const int column = thread % kColumnChunks * 4;
      const int columns = min(max(p.out_channels - first_column - column, 0), 4);
#pragma unroll
      for (int i = 0; i < Tile::kK / kDepthPerPass; ++i) {
        const int k = thread / kColumnChunks + i * kDepthPerPass;
        const bool inside = first_channel + k < p.channels;
        copy4<Vector>(b_tile + k * Tile::kWideStride + column, weights,
                      tap.weights + std::int64_t{first_channel + k} * p.k_step + first_column + column,
                      inside ? columns : 0);
      }
    }
  };

  const int warp = thread / kWarp, lane = thread % kWarp, group = lane / 4, inside_group = lane % 4;
  constexpr int kWarpsN = Tile::kN / Tile::kWarpN;
  const int warp_row = warp / kWarpsN * Tile::kWarpM, warp_column = warp % kWarpsN * Tile::kWarpN;
  float sums[Tile::kAtomsM][Tile::kAtomsN][4] = {};

  // Stages in flight; an empty group keeps the count of groups the count of stages.
#pragma unroll
  for (int stage = 0; stage < Tile::kStages - 1; ++stage) {
    if (begin + stage < end) load_stage(begin + stage);
    cp_async_commit();
  }
  for (int iteration = begin; iteration < end; ++iteration) {
    cp_async_wait<Tile::kStages - 2>();
    __syncthreads();  // this stage is there for all, and the one before it may be overwritten
    if (iteration + Tile::kStages - 1 < end) load_stage(iteration + Tile::kStages - 1);
    cp_async_commit();

    const int slot = (iteration - begin) % Tile::kStages;
    const float* a_tile = a_tiles + slot * Tile::kAFloats + warp_row * Tile::kDepthStride;
    const float* b_tile = b_tiles + slot * Tile::kBFloats;
    constexpr int kEights = How == Product::bf16 ? 2 : 1;  // of depth in a product
    static_assert(Tile::kK % (8 * kEights) == 0);
#pragma unroll
    for (int depth = 0; depth < Tile::kK; depth += 8 * kEights) {
      FragmentA a[Tile::kAtomsM][kEights];
      FragmentB b[Tile::kAtomsN][kEights];
#pragma unroll
      for (int eight = 0; eight < kEights; ++eight) {
        const int k = depth + 8 * eight + inside_group;
#pragma unroll
        for (int m = 0; m < Tile::kAtomsM; ++m) {
          const float* at = a_tile + (m * 16 + group) * Tile::kDepthStride + k;
          a[m][eight] = {at[0], at[8 * Tile::kDepthStride], at[4], at[8 * Tile::kDepthStride + 4]};
        }
#pragma unroll
        for (int c = 0; c < Tile::kAtomsN; ++c) {
          const int column = warp_column + c * 8 + group;
          if constexpr (DepthFastest) {
            b[c][eight] = {b_tile[column * Tile::kDepthStride + k], b_tile[column * Tile::kDepthStride + k + 4]};
          } else {
            b[c][eight] = {b_tile[k * Tile::kWideStride + column], b_tile[(k + 4) * Tile::kWideStride + column]};
          }
        }
      }
#pragma unroll
      for (int m = 0; m < Tile::kAtomsM; ++m)
#pragma unroll
        for (int c = 0; c < Tile::kAtomsN; ++c) {
          if constexpr (How == Product::bf16) {
            multiply_add_bf16(sums[m][c], a[m][0], a[m][1], b[c][0], b[c][1]);
          } else {
            multiply_add<How == Product::split_tf32>(sums[m][c], a[m][0], b[c][0]);
          }
        }
    }
  }
  cp_async_wait<0>();
  mma_wait();

  if (p.splits > 1) {
    const unsigned tile = (static_cast<unsigned>(net_phase) * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    float* partial = p.partial + std::int64_t{tile} * p.splits * (Tile::kM * Tile::kN);
    int at = thread;
#pragma unroll
    for (int m = 0; m < Tile::kAtomsM; ++m)
#pragma unroll
      for (int c = 0; c < Tile::kAtomsN; ++c)
#pragma unroll
        for (int i = 0; i < 4; ++i, at += Tile::kThreads) partial[split * (Tile::kM * Tile::kN) + at] = sums[m][c][i];
    if (!last_block(p.counters + tile, static_cast<std::uint32_t>(p.splits))) return;
    at = thread;
#pragma unroll
    for (int m = 0; m < Tile::kAtomsM; ++m)
#pragma unroll
      for (int c = 0; c < Tile::kAtomsN; ++c)
#pragma unroll
        for (int i = 0; i < 4; ++i, at += Tile::kThreads) {
          float sum = 0.0f;
          for (int s = 0; s < p.splits; ++s) sum += partial[s * (Tile::kM * Tile::kN) + at];
          sums[m][c][i] = sum;
        }
  }

  float* out = p.out + std::int64_t{net} * p.n * p.out_h * p.out_w * p.out_channels;
#pragma unroll
  for (int m = 0; m < Tile::kAtomsM; ++m)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const RowPixel pixel(first_row + warp_row + m * 16 + half * 8 + group, p.n, phase_h, phase_w);
      if (pixel.image < 0) continue;
      const int row = pixel.row * p.phases.step + offset_row, column = pixel.column * p.phases.step + offset_column;
      float* to = out + (std::int64_t{pixel.image * p.out_h + row} * p.out_w + column) * p.out_channels;
#pragma unroll
      for (int c = 0; c < Tile::kAtomsN; ++c)
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          const int channel = first_column + warp_column + c * 8 + 2 * inside_group + i;
          if (channel >= p.out_channels) continue;
          float value = p.epilogue.apply(net * p.out_channels + channel, sums[m][c][2 * half + i]);
          if (p.epilogue.residual != nullptr) value += p.epilogue.residual[to + channel - p.out];
          write(p.mode, value, to + channel);
        }
    }
}

}  // namespace clade::kernels::cuda
