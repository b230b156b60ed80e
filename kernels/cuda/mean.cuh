// SPDX-License-Identifier: Apache-2.0
// The mean of a term over an array, in one block.
#pragma once

#include "kernels/cuda/loops.cuh"

namespace clade::kernels::cuda {

inline constexpr int kMeanThreads = 512;

template <class Term>
static __global__ void __launch_bounds__(kMeanThreads) mean_kernel(std::int64_t size, Term term, float* mean) {
  double sum = 0.0;
  for (std::int64_t i = threadIdx.x; i < size; i += kMeanThreads) sum += term(i);
  sum = block_sum<kMeanThreads>(sum);
  if (threadIdx.x == 0) *mean = static_cast<float>(sum / static_cast<double>(size));
}

/// result[0] = mean of term(i) over [0, size), term a struct with a __device__ call operator that gives a double.
template <class Term>
void mean_of(Stream& stream, std::int64_t size, const Term& term, View<float> result) {
  launch(stream, mean_kernel<Term>, dim3(1), dim3(kMeanThreads), 0, size, term, result.data);
}

}  // namespace clade::kernels::cuda
