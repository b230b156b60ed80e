// SPDX-License-Identifier: Apache-2.0
// What makes a captured step a different one each time it is replayed: everything here reads or writes StepControl.
#include "core/philox.h"
#include "kernels/cuda/mean.cuh"
#include "kernels/kernels.h"

namespace clade::kernels::cuda {

namespace {

__global__ void finish_losses_kernel(ScalarList losses, int batch, StepControl* control, float* log, int rows) {
  if (control->finite == 0) return;
  float* row = log + control->row % rows * losses.count;
  bool finite = true;
  for (int i = 0; i < losses.count; ++i) {
    row[i] = *losses.values[i];
    finite = finite && isfinite(row[i]);
  }
  ++control->row;
  if (finite) {
    ++control->step;
    control->pair += batch;
  } else {
    control->finite = 0;
  }
}

struct TakePairs {
  const StepControl* control;
  const float* data_x;
  const float* data_y;
  std::int64_t pairs;
  std::int64_t pixels;
  float* x;
  float* y;
  __device__ void operator()(std::int64_t i) const {
    const std::int64_t from = (control->pair + i / pixels) % pairs * pixels + i % pixels;
    x[i] = data_x[from];
    y[i] = data_y[from];
  }
};

// A thread follows one pixel through all images: what happens to an image is the same for all of its pixels.
struct PoolExchange {
  PoolRule rule;
  const StepControl* control;
  const float* fakes;
  std::int64_t count;
  std::int64_t pixels;
  float* pool;
  float* shown;
  __device__ void operator()(std::int64_t pixel) const {
    for (std::int64_t sample = 0; sample < count; ++sample) {
      const std::int64_t image = control->step * count + sample;
      const float fake = fakes[sample * pixels + pixel];
      float* seen = shown + sample * pixels + pixel;
      *seen = fake;
      if (image < rule.capacity) {
        pool[image * pixels + pixel] = fake;
        continue;
      }
      RandomSequence random(rule.seed, RandomUse::pool, static_cast<std::uint64_t>(image));
      if (random.next_below(2) == 0) continue;
      const std::int64_t slot = random.next_below(static_cast<std::uint32_t>(rule.capacity));
      *seen = pool[slot * pixels + pixel];
      pool[slot * pixels + pixel] = fake;
    }
  }
};

// One block per sample; the last one averages.
__global__ void __launch_bounds__(kMeanThreads)
    mean_deviation_kernel(const float* x, std::int64_t size, double* deviations, std::uint32_t* counter,
                          float* result) {
  const float* sample = x + blockIdx.x * size;
  double sum = 0.0;
  for (std::int64_t i = threadIdx.x; i < size; i += kMeanThreads) sum += static_cast<double>(sample[i]);
  const double mean = block_sum<kMeanThreads>(sum) / static_cast<double>(size);
  double squares = 0.0;
  for (std::int64_t i = threadIdx.x; i < size; i += kMeanThreads) {
    const double deviation = static_cast<double>(sample[i]) - mean;
    squares += deviation * deviation;
  }
  squares = block_sum<kMeanThreads>(squares);
  if (threadIdx.x == 0) deviations[blockIdx.x] = sqrt(squares / static_cast<double>(size));
  if (!last_block(counter, gridDim.x) || threadIdx.x != 0) return;
  double total = 0.0;
  for (unsigned i = 0; i < gridDim.x; ++i) total += deviations[i];
  *result = static_cast<float>(total / gridDim.x);
}

}  // namespace

void finish_losses(Stream& stream, const ScalarList& losses, int batch, View<StepControl> control, View<float> log) {
  launch(stream, finish_losses_kernel, dim3(1), dim3(1), 0, losses, batch, control.data, log.data,
         static_cast<int>(log.shape[0]));
}

void take_pairs(Stream& stream, View<const StepControl> control, View<const float> data_x, View<const float> data_y,
                View<float> x, View<float> y) {
  for_each(stream, x.size(),
           TakePairs{control.data, data_x.data, data_y.data, data_x.shape[0], data_x.shape[1], x.data, y.data});
}

void pool_exchange(Stream& stream, const PoolRule& rule, View<const StepControl> control, View<const float> fakes,
                   View<float> pool, View<float> shown) {
  for_each(stream, fakes.shape[1],
           PoolExchange{rule, control.data, fakes.data, fakes.shape[0], fakes.shape[1], pool.data, shown.data});
}

void mean_deviation(Stream& stream, View<const float> x, View<float> result) {
  const std::int64_t samples = x.shape[0] * x.shape[1];
  const ArenaScope scope(stream.scratch());
  launch(stream, mean_deviation_kernel, dim3(static_cast<unsigned>(samples)), dim3(kMeanThreads), 0, x.data,
         x.size() / samples, stream.scratch().view<double>({samples}).data, stream.counters(), result.data);
}

}  // namespace clade::kernels::cuda
