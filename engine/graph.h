// SPDX-License-Identifier: Apache-2.0
// The same work again and again, as one launch.
#pragma once

#include <utility>

#include "core/stream.h"

namespace clade {

/// On a CUDA device work is called as it is the first time, so that arenas grow to their size; the second time it is
/// recorded into a graph; from then on the graph is launched. So the work must enqueue the same kernels with the same
/// arguments each time, and what changes must be read from device memory. On the CPU the work is called each time.
class StepGraph {
 public:
  StepGraph() = default;
  ~StepGraph() { reset(); }
  StepGraph(const StepGraph&) = delete;
  StepGraph& operator=(const StepGraph&) = delete;

  template <class Work>
  void run(Stream& stream, const Work& work) {
    if (stream.device().is_cpu() || !warm_) {
      work();
      warm_ = true;
      return;
    }
    if (graph_ == nullptr) graph_ = capture(stream, work);
    cuda_api::launch_graph(graph_, stream.native());
  }

  /// Forgets the graph: for when memory that the work uses has moved. The stream must be idle.
  void reset() {
    if (graph_ != nullptr) cuda_api::destroy_graph(std::exchange(graph_, nullptr));
    warm_ = false;
  }

 private:
  template <class Work>
  static cuda_api::GraphHandle capture(Stream& stream, const Work& work) {
    cuda_api::begin_capture(stream.native());
    try {
      work();
    } catch (...) {
      cuda_api::abandon_capture(stream.native());
      throw;
    }
    return cuda_api::end_capture(stream.native());
  }

  bool warm_ = false;
  cuda_api::GraphHandle graph_ = nullptr;
};

}  // namespace clade
