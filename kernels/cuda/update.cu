// SPDX-License-Identifier: Apache-2.0
// Adam, alone and fused with demodulation. The floor is memory traffic: an update reads w, m, v and the gradient and
// writes w, m, v (28 bytes a weight), behind a demodulation, too. What a block reads twice comes out of the caches the
// second time: a row has at most 9.2 KB, a block of columns 74 KB.
#include "kernels/cuda/channel_sums.cuh"
#include "kernels/kernels.h"

namespace clade::kernels::cuda {

namespace {

/// One update with the corrections for the moments' start at zero worked out.
struct AdamStep {
  AdamParameters parameters;
  float rate;
  float correction;

  // Reads everything before it writes: the compiler cannot know that a store changes no value to come, and would make
  // one read wait for the other.
  __device__ void operator()(float gradient, float* m, float* v, float* w) const {
    float mean = *m, square = *v;
    const float weight = *w;
    mean = parameters.beta1 * mean + (1.0f - parameters.beta1) * gradient;
    square = parameters.beta2 * square + (1.0f - parameters.beta2) * gradient * gradient;
    *m = mean;
    *v = square;
    *w = weight - rate * mean / (sqrtf(correction * square) + parameters.epsilon);
  }
};

/// Powers in double are slow, so two threads work them out for their block. All threads must call.
static __device__ inline AdamStep prepare(const AdamParameters& parameters, const StepControl* control) {
  __shared__ float rate, correction;
  const auto count = static_cast<double>(control->step);
  if (threadIdx.x == 0)
    rate = static_cast<float>(static_cast<double>(parameters.learning_rate) /
                              (1.0 - pow(static_cast<double>(parameters.beta1), count)));
  if (threadIdx.x == kWarp)
    correction = static_cast<float>(1.0 / (1.0 - pow(static_cast<double>(parameters.beta2), count)));
  __syncthreads();
  return {parameters, rate, correction};
}

struct Blocks {
  const float* dw;
  float* m;
  float* v;
  float* w;
  float* scale;
};

__global__ void __launch_bounds__(kFlatThreads)
    adam_kernel(AdamParameters parameters, const StepControl* control, std::int64_t size, Blocks p) {
  if (control->finite == 0) return;
  const AdamStep step = prepare(parameters, control);
  const std::int64_t stride = std::int64_t{gridDim.x} * kFlatThreads;
  for (std::int64_t i = std::int64_t{blockIdx.x} * kFlatThreads + threadIdx.x; i < size; i += stride)
    step(p.dw[i], p.m + i, p.v + i, p.w + i);
}

__global__ void __launch_bounds__(kFlatThreads)
    average_kernel(float decay, const StepControl* control, std::int64_t size, const float* w, float* average) {
  if (control->finite == 0) return;
  const float share = 1.0f - average_decay(decay, control->step);
  const std::int64_t stride = std::int64_t{gridDim.x} * kFlatThreads;
  for (std::int64_t i = std::int64_t{blockIdx.x} * kFlatThreads + threadIdx.x; i < size; i += stride)
    average[i] += share * (w[i] - average[i]);
}

/// A block's share of a sum of squares.
__global__ void __launch_bounds__(kFlatThreads)
    squares_kernel(std::int64_t size, const float* gradient, double* partial) {
  const std::int64_t stride = std::int64_t{gridDim.x} * kFlatThreads;
  double sum = 0.0;
  for (std::int64_t i = std::int64_t{blockIdx.x} * kFlatThreads + threadIdx.x; i < size; i += stride)
    sum += product(gradient[i], gradient[i]);
  sum = column_sum<kFlatThreads, 1>(sum);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

/// Every block adds up the shares for itself, which is less than another launch.
__global__ void __launch_bounds__(kFlatThreads)
    clip_kernel(float most, int shares, const double* partial, std::int64_t size, float* gradient) {
  double sum = 0.0;
  for (int i = static_cast<int>(threadIdx.x); i < shares; i += kFlatThreads) sum += partial[i];
  const float factor = clip_factor(column_sum<kFlatThreads, 1>(sum), most);
  if (factor == 1.0f) return;
  const std::int64_t stride = std::int64_t{gridDim.x} * kFlatThreads;
  for (std::int64_t i = std::int64_t{blockIdx.x} * kFlatThreads + threadIdx.x; i < size; i += stride)
    gradient[i] *= factor;
}

/// As many as fit into the 4 KB of a kernel's parameters.
constexpr int kMostSegments = 64;
/// Values of a segment without demodulation that one block updates.
constexpr int kFlatChunk = 4 * kChannelThreads;

struct Update {
  AdamParameters parameters;
  float epsilon;
  const StepControl* control;
  Blocks arrays;
  ParameterSegment segments[kMostSegments];
  int first_block[kMostSegments + 1];  // of each segment; the last one in use ends the grid
};

static __device__ inline void update_flat(const Update& p, const AdamStep& step, const ParameterSegment& segment,
                                          std::int64_t block) {
  const std::int64_t size = std::int64_t{segment.nets} * segment.channels * segment.fan;
  const std::int64_t end = min(size, (block + 1) * kFlatChunk);
  for (std::int64_t inside = block * kFlatChunk + threadIdx.x; inside < end; inside += kChannelThreads) {
    const std::int64_t i = segment.offset + inside;
    step(p.arrays.dw[i], p.arrays.m + i, p.arrays.v + i, p.arrays.w + i);
  }
}

template <int kWidth>
static __device__ inline void update_channels(const Update& p, const AdamStep& step, const ParameterSegment& segment,
                                              std::int64_t block) {
  const Channel<kWidth> channel(block, segment.channels, segment.fan);
  const float* dw = p.arrays.dw + segment.offset;
  float* m = p.arrays.m + segment.offset;
  float* v = p.arrays.v + segment.offset;
  float* w = p.arrays.w + segment.offset;
  float* scale = p.arrays.scale + segment.scale + channel.number;

  const double inner = channel.sum([&](std::int64_t i) { return product(dw[i], w[i]); });
  const float share = channel.inside() ? demodulation_share(*scale, inner) : 0.0f;
  channel.for_each([&](std::int64_t i) { step(dw[i] - share * w[i], m + i, v + i, w + i); });
  // The sum's barriers also keep the old scale until all threads have read it.
  const float factor = demodulation_scale(channel.sum([&](std::int64_t i) { return product(w[i], w[i]); }), p.epsilon);
  if (channel.leads()) *scale = factor;
}

__global__ void __launch_bounds__(kChannelThreads) update_kernel(const __grid_constant__ Update p) {
  if (p.control->finite == 0) return;
  const AdamStep step = prepare(p.parameters, p.control);
  int found = 0;
  while (static_cast<int>(blockIdx.x) >= p.first_block[found + 1]) ++found;
  const ParameterSegment& segment = p.segments[found];
  const std::int64_t block = static_cast<int>(blockIdx.x) - p.first_block[found];
  if (!segment.demodulated) {
    update_flat(p, step, segment, block);
  } else if (segment.dimension == OutputDimension::first) {
    update_channels<1>(p, step, segment, block);
  } else {
    update_channels<kTallWidth>(p, step, segment, block);
  }
}

bool is_tall(const ParameterSegment& segment) {
  return segment.demodulated && segment.dimension == OutputDimension::last;
}

std::int64_t block_count(const ParameterSegment& segment) {
  if (segment.demodulated) return channel_blocks(segment.dimension, segment.nets, segment.channels);
  return ceil_div(std::int64_t{segment.nets} * segment.channels * segment.fan, kFlatChunk);
}

}  // namespace

void adam(Stream& stream, const AdamParameters& parameters, View<const StepControl> control, View<const float> gradient,
          View<float> m, View<float> v, View<float> w) {
  launch(stream, adam_kernel, flat_grid(w.size()), dim3(kFlatThreads), 0, parameters, control.data, w.size(),
         Blocks{gradient.data, m.data, v.data, w.data, nullptr});
}

void clip_norm(Stream& stream, float most, View<float> gradient) {
  const dim3 grid = flat_grid(gradient.size());
  const ArenaScope scope(stream.scratch());
  double* partial = stream.scratch().view<double>({static_cast<std::int64_t>(grid.x)}).data;
  launch(stream, squares_kernel, grid, dim3(kFlatThreads), 0, gradient.size(), static_cast<const float*>(gradient.data),
         partial);
  launch(stream, clip_kernel, grid, dim3(kFlatThreads), 0, most, static_cast<int>(grid.x),
         static_cast<const double*>(partial), gradient.size(), gradient.data);
}

void average_weights(Stream& stream, float decay, View<const StepControl> control, View<const float> w,
                     View<float> average) {
  launch(stream, average_kernel, flat_grid(w.size()), dim3(kFlatThreads), 0, decay, control.data, w.size(), w.data,
         average.data);
}

void update_demodulated(Stream& stream, const AdamParameters& parameters, float epsilon,
                        std::span<const ParameterSegment> segments, View<const StepControl> control,
                        View<const float> dw, View<float> m, View<float> v, View<float> w, View<float> scale) {
  Update update{parameters, epsilon, control.data, {dw.data, m.data, v.data, w.data, scale.data}, {}, {}};
  int count = 0;
  const auto flush = [&] {
    if (count > 0)
      launch(stream, update_kernel, dim3(static_cast<unsigned>(update.first_block[count])), dim3(kChannelThreads), 0,
             update);
    count = 0;
  };
  // Blocks of columns take the longest, so they start first.
  for (const bool tall : {true, false})
    for (const ParameterSegment& segment : segments) {
      if (is_tall(segment) != tall) continue;
      if (count == kMostSegments) flush();
      update.segments[count] = segment;
      update.first_block[count + 1] = update.first_block[count] + static_cast<int>(block_count(segment));
      ++count;
    }
  flush();
}

}  // namespace clade::kernels::cuda
