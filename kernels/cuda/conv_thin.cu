// SPDX-License-Identifier: Apache-2.0
// Direct convolutions with one channel on one side: the 7x7 layers at both ends of the generators, the first and the
// last layer of the discriminators. A tensor core would multiply mostly zeros, so these are float32 sums.
//
// The three kernels share one idea: the lanes of a warp are channels on the wide side, and values on the thin side,
// which all lanes need, are fetched by one lane each and handed round through shared memory. Work per patch and
// layer: 6.4 MFLOP (7x7, 64 channels), 0.1 ms for 256 patches at 16 TFLOP/s; a warp makes four neighbouring pixels so
// that weights are read once for four.
#include "kernels/cuda/conv_index.cuh"
#include "kernels/cuda/conv_igemm.cuh"
#include "kernels/cuda/conv_plan.h"

namespace clade::kernels::cuda {

namespace {

constexpr int kThreads = 128;
constexpr int kWarps = kThreads / kWarp;
constexpr int kPixels = 4;        // of a row, that a warp makes
constexpr int kLaneChannels = 2;  // wide channels of a lane
constexpr int kGroup = kLaneChannels * kWarp;

/// Images `thin` [nets, n, thin_h, thin_w, 1] and `wide` [nets, n, wide_h, wide_w, channels]; the rules say which thin
/// pixels a tap of a wide pixel reads (expand, outer), or which wide pixels a tap of a thin pixel reads (contract).
struct Thin {
  const float* thin;
  const float* wide;
  const float* weights;  // tap t, channel c at t * tap_step + c * channel_step
  float* out;
  int n;
  int thin_h, thin_w;
  int wide_h, wide_w;
  int channels;
  int k;
  int tap_step, channel_step;
  AxisRule rows, columns;
  Epilogue epilogue;
  WriteMode mode;
  double* partial;  // outer only: [nets, tap groups, channel groups, splits, taps, 64]
  std::uint32_t* counters;
};

/// Sum of what a tap reads of one channel of an image whose pixels are `step` values apart.
CLADE_NOINLINE __device__ float gather_several(const AxisRule& rows, const AxisRule& columns, int row, int column,
                                               Tap tap, const float* image, int width, int step) {
  float sum = 0.0f;
  for_each_source(rows, columns, row, column, tap, [&](int r, int c) { sum += image[(r * width + c) * step]; });
  return sum;
}

__device__ inline float gather(const AxisRule& rows, const AxisRule& columns, int row, int column, Tap tap,
                               const float* image, int width, int step) {
  const int r = rows.source(row, tap.row), c = columns.source(column, tap.column);
  if (r == AxisRule::kNone || c == AxisRule::kNone) return 0.0f;
  if (r == AxisRule::kSeveral || c == AxisRule::kSeveral)
    return gather_several(rows, columns, row, column, tap, image, width, step);
  return image[(r * width + c) * step];
}

__device__ inline Tap tap_at(int index, int k) {
  return {static_cast<short>(index / k), static_cast<short>(index % k), 0};
}

/// The first of the pixels of a warp: four neighbours of a row of one image.
struct Strip {
  std::int64_t image;  // counted over nets
  int row, column;
  bool inside;
  __device__ Strip(std::int64_t index, std::int64_t images, int h, int w) {
    const int strips = (w + kPixels - 1) / kPixels;
    image = index / (std::int64_t{strips} * h);
    row = static_cast<int>(index / strips % h);
    column = static_cast<int>(index % strips) * kPixels;
    inside = image < images;
  }
};

__device__ inline std::int64_t warp_index() {
  return std::int64_t{blockIdx.x} * kWarps + static_cast<int>(threadIdx.x) / kWarp;
}

/// wide[pixel][c] = epilogue(sum over taps of thin * weights). Grid: strips of pixels, channel groups, nets.
__global__ void __launch_bounds__(kThreads, 4) expand_kernel(const __grid_constant__ Thin p) {
  const Strip at(warp_index(), p.n, p.wide_h, p.wide_w);
  if (!at.inside) return;  // a whole warp
  const int lane = static_cast<int>(threadIdx.x) % kWarp, first = static_cast<int>(blockIdx.y) * kGroup + lane;
  const int net = static_cast<int>(blockIdx.z), taps = p.k * p.k;
  const float* image = p.thin + (net * p.n + at.image) * p.thin_h * p.thin_w;
  const float* weights = p.weights + std::int64_t{net} * taps * p.channels;
  __shared__ __align__(16) float fetched[kWarps][kWarp][kPixels];
  auto& values = fetched[threadIdx.x / kWarp];
  float sums[kPixels][kLaneChannels] = {};
  for (int first_tap = 0; first_tap < taps; first_tap += kWarp) {
    __syncwarp();  // the values of the taps before have been read
#pragma unroll
    for (int i = 0; i < kPixels; ++i)
      values[lane][i] =
          first_tap + lane < taps && at.column + i < p.wide_w
              ? gather(p.rows, p.columns, at.row, at.column + i, tap_at(first_tap + lane, p.k), image, p.thin_w, 1)
              : 0.0f;
    __syncwarp();
    const int count = min(kWarp, taps - first_tap);
    for (int tap = 0; tap < count; ++tap) {
      float factors[kLaneChannels];
#pragma unroll
      for (int j = 0; j < kLaneChannels; ++j) {
        const int channel = first + j * kWarp;
        factors[j] = channel < p.channels ? weights[(first_tap + tap) * p.tap_step + channel * p.channel_step] : 0.0f;
      }
#pragma unroll
      for (int i = 0; i < kPixels; ++i) {
        const float value = values[tap][i];
#pragma unroll
        for (int j = 0; j < kLaneChannels; ++j) sums[i][j] += value * factors[j];
      }
    }
  }
#pragma unroll
  for (int i = 0; i < kPixels; ++i)
#pragma unroll
    for (int j = 0; j < kLaneChannels; ++j) {
      const int channel = first + j * kWarp;
      if (at.column + i >= p.wide_w || channel >= p.channels) continue;
      write(p.mode, p.epilogue.apply(net * p.channels + channel, sums[i][j]),
            p.out + (((net * p.n + at.image) * p.wide_h + at.row) * p.wide_w + at.column + i) * p.channels + channel);
    }
}

/// thin[pixel] = epilogue(sum over taps and channels of wide * weights). Grid: strips of pixels, 1, nets.
__global__ void __launch_bounds__(kThreads, 4) contract_kernel(const __grid_constant__ Thin p) {
  const Strip at(warp_index(), p.n, p.thin_h, p.thin_w);
  if (!at.inside) return;  // a whole warp
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int net = static_cast<int>(blockIdx.z), taps = p.k * p.k;
  const float* image = p.wide + (net * p.n + at.image) * p.wide_h * p.wide_w * p.channels;
  const float* weights = p.weights + std::int64_t{net} * taps * p.channels;
  float sums[kPixels] = {};
  for (int tap = 0; tap < taps; ++tap) {
    const Tap place = tap_at(tap, p.k);
    for (int channel = lane; channel < p.channels; channel += kWarp) {
      const float factor = weights[tap * p.tap_step + channel * p.channel_step];
#pragma unroll
      for (int i = 0; i < kPixels; ++i)
        if (at.column + i < p.thin_w)
          sums[i] +=
              gather(p.rows, p.columns, at.row, at.column + i, place, image + channel, p.wide_w, p.channels) * factor;
    }
  }
#pragma unroll
  for (int i = 0; i < kPixels; ++i) {
    const float sum = warp_sum(sums[i]);
    if (lane != 0 || at.column + i >= p.thin_w) continue;
    write(p.mode, p.epilogue.apply(net, sum),
          p.out + ((net * p.n + at.image) * p.thin_h + at.row) * p.thin_w + at.column + i);
  }
}

constexpr int kTapGroup = 16;

/// out[tap][c] = sum over wide pixels of wide[pixel][c] * what the tap reads there. Grid: splits of the pixels, (tap
/// group, channel group), nets.
__global__ void __launch_bounds__(kThreads, 4) outer_kernel(const __grid_constant__ Thin p) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const int net = static_cast<int>(blockIdx.z), taps = p.k * p.k;
  const int channel_groups = (p.channels + kGroup - 1) / kGroup;
  const int first_tap = static_cast<int>(blockIdx.y) / channel_groups * kTapGroup;
  const int first = static_cast<int>(blockIdx.y) % channel_groups * kGroup + lane;
  const int pixels = p.wide_h * p.wide_w;
  const std::int64_t total = std::int64_t{p.n} * pixels;
  __shared__ __align__(16) float fetched[kWarps][kTapGroup];
  auto& values = fetched[warp];
  float sums[kTapGroup][kLaneChannels] = {};
  for (std::int64_t index = warp_index(); index < total; index += std::int64_t{gridDim.x} * kWarps) {
    const std::int64_t sample = index / pixels;
    const int inside = static_cast<int>(index % pixels);
    const float* image = p.thin + (net * p.n + sample) * p.thin_h * p.thin_w;
    __syncwarp();  // the values of the pixel before have been read
    if (lane < kTapGroup)
      values[lane] = first_tap + lane < taps ? gather(p.rows, p.columns, inside / p.wide_w, inside % p.wide_w,
                                                      tap_at(first_tap + lane, p.k), image, p.thin_w, 1)
                                             : 0.0f;
    __syncwarp();
    float wide[kLaneChannels];
#pragma unroll
    for (int j = 0; j < kLaneChannels; ++j) {
      const int channel = first + j * kWarp;
      wide[j] = channel < p.channels ? p.wide[((net * p.n + sample) * pixels + inside) * p.channels + channel] : 0.0f;
    }
#pragma unroll
    for (int tap = 0; tap < kTapGroup; ++tap) {
      const float factor = values[tap];
#pragma unroll
      for (int j = 0; j < kLaneChannels; ++j) sums[tap][j] += factor * wide[j];
    }
  }

  __shared__ float of_warps[kWarps][kTapGroup][kGroup];
#pragma unroll
  for (int tap = 0; tap < kTapGroup; ++tap)
#pragma unroll
    for (int j = 0; j < kLaneChannels; ++j) of_warps[warp][tap][j * kWarp + lane] = sums[tap][j];
  __syncthreads();
  const unsigned tile = static_cast<unsigned>(net) * gridDim.y + blockIdx.y;
  double* partial = p.partial + std::int64_t{tile} * gridDim.x * (kTapGroup * kGroup);
  for (int i = static_cast<int>(threadIdx.x); i < kTapGroup * kGroup; i += kThreads) {
    double sum = 0.0;
    for (int w = 0; w < kWarps; ++w) sum += static_cast<double>(of_warps[w][i / kGroup][i % kGroup]);
    partial[blockIdx.x * (kTapGroup * kGroup) + static_cast<unsigned>(i)] = sum;
  }
  if (!last_block(p.counters + tile, gridDim.x)) return;
  for (int i = static_cast<int>(threadIdx.x); i < kTapGroup * kGroup; i += kThreads) {
    const int tap = first_tap + i / kGroup, channel = first - lane + i % kGroup;
    if (tap >= taps || channel >= p.channels) continue;
    double sum = 0.0;
    for (unsigned split = 0; split < gridDim.x; ++split)
      sum += partial[split * (kTapGroup * kGroup) + static_cast<unsigned>(i)];
    write(p.mode, static_cast<float>(sum),
          p.out + std::int64_t{net} * taps * p.channels + tap * p.tap_step + channel * p.channel_step);
  }
}

dim3 strip_grid(const ConvShape& s, int h, int w, int groups) {
  const std::int64_t strips = std::int64_t{s.n} * h * ceil_div(w, kPixels);
  return dim3(static_cast<unsigned>(ceil_div(strips, kWarps)), static_cast<unsigned>(groups),
              static_cast<unsigned>(s.nets));
}

AxisRule window_rule(const ConvShape& s, int extent) {
  return {AxisRule::Kind::window, extent, 0, s.stride, s.pad, s.pad_mode};
}
AxisRule reader_rule(const ConvShape& s, int windows, int image) {
  return {AxisRule::Kind::reader, windows, image, s.stride, s.pad, s.pad_mode};
}

/// The image of one channel is the input (cin == 1) or the output. Weights are [nets, cout, k, k, cin].
Thin problem_of(const ConvShape& s, const float* w) {
  const bool thin_input = s.cin == 1;
  Thin p{};
  p.weights = w;
  p.n = s.n;
  p.thin_h = thin_input ? s.h : s.out_h();
  p.thin_w = thin_input ? s.w : s.out_w();
  p.wide_h = thin_input ? s.out_h() : s.h;
  p.wide_w = thin_input ? s.out_w() : s.w;
  p.channels = thin_input ? s.cout : s.cin;
  p.k = s.k;
  p.tap_step = thin_input ? 1 : s.cin;
  p.channel_step = thin_input ? s.k * s.k : 1;
  p.mode = WriteMode::overwrite;
  return p;
}

int channel_groups(const Thin& p) { return static_cast<int>(ceil_div(p.channels, kGroup)); }

}  // namespace

void thin_forward(Stream& stream, const ConvShape& s, const float* x, const float* w, const Epilogue& epilogue,
                  float* y) {
  Thin p = problem_of(s, w);
  p.epilogue = epilogue;
  p.out = y;
  p.rows = window_rule(s, s.h);
  p.columns = window_rule(s, s.w);
  if (s.cin == 1) {
    p.thin = x;
    launch(stream, expand_kernel, strip_grid(s, p.wide_h, p.wide_w, channel_groups(p)), dim3(kThreads), 0, p);
  } else {
    p.wide = x;
    launch(stream, contract_kernel, strip_grid(s, p.thin_h, p.thin_w, 1), dim3(kThreads), 0, p);
  }
}

void thin_backward_input(Stream& stream, const ConvShape& s, const float* dy, const float* w, WriteMode mode,
                         float* dx) {
  Thin p = problem_of(s, w);
  p.mode = mode;
  p.out = dx;
  p.rows = reader_rule(s, s.out_h(), s.h);
  p.columns = reader_rule(s, s.out_w(), s.w);
  if (s.cin == 1) {
    p.wide = dy;
    launch(stream, contract_kernel, strip_grid(s, p.thin_h, p.thin_w, 1), dim3(kThreads), 0, p);
  } else {
    p.thin = dy;
    launch(stream, expand_kernel, strip_grid(s, p.wide_h, p.wide_w, channel_groups(p)), dim3(kThreads), 0, p);
  }
}

void thin_backward_weight(Stream& stream, const ConvShape& s, const float* x, const float* dy, WriteMode mode,
                          float* dw) {
  Thin p = problem_of(s, nullptr);
  p.mode = mode;
  p.out = dw;
  const bool thin_input = s.cin == 1;
  p.thin = thin_input ? x : dy;
  p.wide = thin_input ? dy : x;
  p.rows = thin_input ? window_rule(s, s.h) : reader_rule(s, s.out_h(), s.h);
  p.columns = thin_input ? window_rule(s, s.w) : reader_rule(s, s.out_w(), s.w);
  const std::int64_t tiles = ceil_div(s.k * s.k, kTapGroup) * channel_groups(p);
  constexpr std::int64_t kPixelsPerBlock = 64;
  const std::int64_t pixels = std::int64_t{s.n} * p.wide_h * p.wide_w;
  const std::int64_t splits = std::clamp<std::int64_t>(
      std::min(ceil_div(pixels, kPixelsPerBlock), kTargetBlocks / (tiles * s.nets)), 1, kTargetBlocks);
  CLADE_CHECK(tiles * s.nets <= Stream::kCounters, ErrorCode::internal, "weight gradient with ", tiles, " tiles");
  const ArenaScope scope(stream.scratch());
  p.partial = stream.scratch().view<double>({s.nets, tiles, splits, kTapGroup * kGroup}).data;
  p.counters = stream.counters();
  launch(stream, outer_kernel,
         dim3(static_cast<unsigned>(splits), static_cast<unsigned>(tiles), static_cast<unsigned>(s.nets)),
         dim3(kThreads), 0, p);
}

}  // namespace clade::kernels::cuda
