// SPDX-License-Identifier: Apache-2.0
// How benchmarks of kernels measure: many launches as one CUDA graph, on operands that are in the cache or are not.
#pragma once

#include <functional>
#include <vector>

#include "core/arena.h"
#include "core/stream.h"
#include "engine/graph.h"

namespace clade::bench {

/// Launches one kernel on operands of its own.
using Launch = std::function<void()>;

/// Operands on the device, random where a kernel reads them.
class Operands {
 public:
  explicit Operands(Stream& stream);

  Stream& stream() { return stream_; }
  View<float> random(const Shape& shape);
  View<float> output(const Shape& shape) { return arena_.view<float>(shape); }
  template <class T>
  View<T> values(const std::vector<T>& values) {
    const View<T> view = arena_.view<T>({static_cast<std::int64_t>(values.size())});
    stream_.copy_to_device(view.data, values.data(), values.size() * sizeof(T));
    return view;
  }

 private:
  Stream& stream_;
  Arena arena_;
  std::vector<float> pattern_;
};

/// Median seconds a launch when `launches` run in turn, again and again for about `seconds`.
double time_launches(Stream& stream, const std::vector<Launch>& launches, double seconds);

/// What the device can do at most, 0 where it is not known.
struct Limits {
  double flops = 0;      ///< a second, of products with TF32 factors
  double bandwidth = 0;  ///< bytes a second, read and written

  /// Seconds that work takes at least.
  double floor(double flop, double bytes) const;
};

/// Measured: a large matrix product by cuBLAS where it is there, and a large copy.
Limits measure_limits(Stream& stream);

}  // namespace clade::bench
