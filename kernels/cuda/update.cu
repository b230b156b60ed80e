// SPDX-License-Identifier: Apache-2.0
// Adam, alone and fused with demodulation. The floor is memory traffic: an update reads w, m, v and the gradient and
// writes w, m, v (28 bytes a weight); behind a demodulation it also reads and writes u (36 bytes), which is 0.12 ms for
// the 15.6 million weights of both generators at 4.8 TB/s. What a block reads twice comes out of its L1 cache the
// second time: a row has at most 9.2 KB.
#include <vector>

#include "kernels/cuda/channel_sums.cuh"
#include "kernels/kernels.h"

namespace clade::kernels::cuda {

namespace {

/// One update with the corrections for the moments' start at zero worked out.
struct AdamStep {
  AdamParameters parameters;
  float rate;
  float correction;

  __device__ void operator()(float gradient, float* m, float* v, float* w) const {
    *m = parameters.beta1 * *m + (1.0f - parameters.beta1) * gradient;
    *v = parameters.beta2 * *v + (1.0f - parameters.beta2) * gradient * gradient;
    *w -= rate * *m / (sqrtf(correction * *v) + parameters.epsilon);
  }
};

/// Powers in double are slow, so one thread of a block works them out for all. All threads must call.
static __device__ inline AdamStep prepare(const AdamParameters& parameters, const StepControl* control) {
  __shared__ float rate, correction;
  if (threadIdx.x == 0) {
    const auto count = static_cast<double>(control->step);
    rate = static_cast<float>(static_cast<double>(parameters.learning_rate) /
                              (1.0 - pow(static_cast<double>(parameters.beta1), count)));
    correction = static_cast<float>(1.0 / (1.0 - pow(static_cast<double>(parameters.beta2), count)));
  }
  __syncthreads();
  return {parameters, rate, correction};
}

struct Blocks {
  const float* du;
  float* m;
  float* v;
  float* w;
  float* u;
  float* scale;
};

__global__ void __launch_bounds__(kFlatThreads)
    adam_kernel(AdamParameters parameters, const StepControl* control, std::int64_t size, Blocks p) {
  if (control->finite == 0) return;
  const AdamStep step = prepare(parameters, control);
  const std::int64_t stride = std::int64_t{gridDim.x} * kFlatThreads;
  for (std::int64_t i = std::int64_t{blockIdx.x} * kFlatThreads + threadIdx.x; i < size; i += stride)
    step(p.du[i], p.m + i, p.v + i, p.w + i);
}

constexpr int kMostSegments = 48;
/// Values of a segment without demodulation that one block updates.
constexpr int kFlatChunk = 4 * kRowThreads;

/// Segments of one kind; segment i has the blocks from first_block[i] on.
struct SegmentTable {
  ParameterSegment segment[kMostSegments];
  int first_block[kMostSegments + 1];
  int count = 0;
};

struct Update {
  AdamParameters parameters;
  float epsilon;
  const StepControl* control;
  Blocks blocks;
  SegmentTable table;
};

__device__ inline int find_segment(const SegmentTable& table) {
  int i = 0;
  while (static_cast<int>(blockIdx.x) >= table.first_block[i + 1]) ++i;
  return i;
}

// Rows: a block per output channel, or per chunk of what is not demodulated.
__global__ void __launch_bounds__(kRowThreads) update_rows_kernel(Update p) {
  if (p.control->finite == 0) return;
  const AdamStep step = prepare(p.parameters, p.control);
  const int found = find_segment(p.table);
  const ParameterSegment& segment = p.table.segment[found];
  const std::int64_t block = static_cast<int>(blockIdx.x) - p.table.first_block[found];

  if (!segment.demodulated) {
    const std::int64_t size = std::int64_t{segment.nets} * segment.channels * segment.fan;
    for (int part = 0; part < kFlatChunk; part += kRowThreads) {
      const std::int64_t inside = block * kFlatChunk + part + threadIdx.x;
      if (inside >= size) return;
      const std::int64_t i = segment.offset + inside;
      step(p.blocks.du[i], p.blocks.m + i, p.blocks.v + i, p.blocks.w + i);
      p.blocks.u[i] = p.blocks.w[i];
    }
    return;
  }

  const std::int64_t first = segment.offset + block * segment.fan;
  const float* du = p.blocks.du + first;
  float* w = p.blocks.w + first;
  float* u = p.blocks.u + first;
  float* scale = p.blocks.scale + segment.scale + block;
  const auto inner = static_cast<float>(
      row_sum(segment.fan, [&](int i) { return static_cast<double>(du[i]) * static_cast<double>(u[i]); }));
  const float old_factor = *scale;
  for (int i = static_cast<int>(threadIdx.x); i < segment.fan; i += kRowThreads)
    step(old_factor * (du[i] - u[i] * inner), p.blocks.m + first + i, p.blocks.v + first + i, w + i);
  const float factor = demodulation_scale(row_sum(segment.fan, [&](int i) { return square(w[i]); }), p.epsilon);
  for (int i = static_cast<int>(threadIdx.x); i < segment.fan; i += kRowThreads) u[i] = w[i] * factor;
  if (threadIdx.x == 0) *scale = factor;
}

// Columns: a block per 32 output channels of a net.
__global__ void __launch_bounds__(kTallWarps* kWarp) update_columns_kernel(Update p) {
  if (p.control->finite == 0) return;
  const AdamStep step = prepare(p.parameters, p.control);
  const int found = find_segment(p.table);
  const ParameterSegment& segment = p.table.segment[found];
  const int block = static_cast<int>(blockIdx.x) - p.table.first_block[found];
  const int groups = (segment.channels + kWarp - 1) / kWarp;
  const int net = block / groups;
  const int channel = block % groups * kWarp + static_cast<int>(threadIdx.x) % kWarp;
  const bool inside = channel < segment.channels;
  const std::int64_t first = segment.offset + std::int64_t{net} * segment.fan * segment.channels + channel;
  const float* du = p.blocks.du + first;
  float* w = p.blocks.w + first;
  float* u = p.blocks.u + first;
  float* scale = p.blocks.scale + segment.scale + net * segment.channels + channel;
  const auto at = [&](int row) { return std::int64_t{row} * segment.channels; };

  const auto inner = static_cast<float>(tall_sum(segment.fan, inside, [&](int row) {
    return static_cast<double>(du[at(row)]) * static_cast<double>(u[at(row)]);
  }));
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  if (inside) {
    const float old_factor = *scale;
    for (int row = warp; row < segment.fan; row += kTallWarps) {
      const std::int64_t i = at(row);
      step(old_factor * (du[i] - u[i] * inner), p.blocks.m + first + i, p.blocks.v + first + i, w + i);
    }
  }
  const float factor =
      demodulation_scale(tall_sum(segment.fan, inside, [&](int row) { return square(w[at(row)]); }), p.epsilon);
  if (!inside) return;
  for (int row = warp; row < segment.fan; row += kTallWarps) u[at(row)] = w[at(row)] * factor;
  if (warp == 0) *scale = factor;
}

bool is_tall(const ParameterSegment& segment) {
  return segment.demodulated && segment.dimension == OutputDimension::last;
}

std::int64_t block_count(const ParameterSegment& segment) {
  if (is_tall(segment)) return std::int64_t{segment.nets} * ceil_div(segment.channels, kWarp);
  const std::int64_t rows = std::int64_t{segment.nets} * segment.channels;
  return segment.demodulated ? rows : ceil_div(rows * segment.fan, kFlatChunk);
}

}  // namespace

void adam(Stream& stream, const AdamParameters& parameters, View<const StepControl> control, View<const float> gradient,
          View<float> m, View<float> v, View<float> w) {
  launch(stream, adam_kernel, flat_grid(w.size()), dim3(kFlatThreads), 0, parameters, control.data, w.size(),
         Blocks{gradient.data, m.data, v.data, w.data, nullptr, nullptr});
}

void update_demodulated(Stream& stream, const AdamParameters& parameters, float epsilon,
                        std::span<const ParameterSegment> segments, View<const StepControl> control,
                        View<const float> du, View<float> m, View<float> v, View<float> w, View<float> u,
                        View<float> scale) {
  for (const bool tall : {false, true}) {
    Update update{parameters, epsilon, control.data, {du.data, m.data, v.data, w.data, u.data, scale.data}, {}};
    SegmentTable& table = update.table;
    table.first_block[0] = 0;
    const auto flush = [&] {
      if (table.count == 0) return;
      launch(stream, tall ? update_columns_kernel : update_rows_kernel,
             dim3(static_cast<unsigned>(table.first_block[table.count])), dim3(tall ? kTallWarps * kWarp : kRowThreads),
             0, update);
      table.count = 0;
    };
    for (const ParameterSegment& segment : segments) {
      if (is_tall(segment) != tall) continue;
      if (table.count == kMostSegments) flush();
      table.segment[table.count] = segment;
      table.first_block[table.count + 1] = table.first_block[table.count] + static_cast<int>(block_count(segment));
      ++table.count;
    }
    flush();
  }
}

}  // namespace clade::kernels::cuda
