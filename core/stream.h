// SPDX-License-Identifier: Apache-2.0
// Where work runs. A stream is the first argument of every kernel.
#pragma once

#include <cstdint>
#include <span>

#include "core/arena.h"
#include "core/cuda_api.h"
#include "core/device.h"
#include "core/parallel.h"

namespace clade {

/// How convolutions multiply on a CUDA device; the CPU always uses float32. Sums are float32 everywhere.
enum class Precision {
  tf32,  ///< factors rounded to TF32 (10 bits of mantissa)
  fp32,  ///< factors split into three TF32 products: the accuracy of float32 at a third of the speed
  bf16   ///< factors rounded to BF16 (7 bits of mantissa), for inference; gradients in the weights stay TF32
};

/// Work in order on one device. On the CPU a call returns when its work is done, on a CUDA device when it is enqueued.
/// One stream per thread of control.
class Stream {
 public:
  /// Throws Error(device) if the device is not there. `pool` must outlive the stream.
  Stream(Device device, ThreadPool& pool);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  Device device() const { return device_; }
  ThreadPool& pool() const { return *pool_; }
  /// Workspace on the device of the kernel that is running; kernels leave it as they found it (ArenaScope). Memory that
  /// is handed back may still be in use by enqueued work, which is safe because later work waits for it.
  Arena& scratch() { return scratch_; }

  Precision precision() const { return precision_; }
  void set_precision(Precision precision) { precision_ = precision; }

  /// Waits for all work; failures of enqueued work surface here as Error(device).
  void synchronize();

  /// Copies `bytes` between the host and memory of the device, in order with the work. The host memory may be reused
  /// when the call returns.
  void copy_to_device(void* device, const void* host, std::size_t bytes);
  void copy_to_host(void* host, const void* device, std::size_t bytes);
  /// Between two places on the device.
  void copy_on_device(void* to, const void* from, std::size_t bytes);
  void set_zero(void* device, std::size_t bytes);

  // ---- CUDA only ----

  cuda_api::StreamHandle native() const { return native_; }
  /// kCounters zeros on the device with which the blocks of a kernel find the last of them; it leaves them zero.
  std::uint32_t* counters() const { return counters_; }
  static constexpr int kCounters = 16384;

 private:
  Device device_;
  ThreadPool* pool_;
  Arena scratch_;
  Precision precision_ = Precision::tf32;
  cuda_api::StreamHandle native_ = nullptr;
  std::uint32_t* counters_ = nullptr;
};

/// A moment in the work of a stream, for measuring.
class Event {
 public:
  explicit Event(Stream& stream);
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  /// Marks the work given to the stream so far.
  void record();
  /// Milliseconds of the stream's work between two recorded events; waits for `end`.
  static double elapsed_ms(const Event& begin, const Event& end);

 private:
  Stream* stream_;
  cuda_api::EventHandle native_ = nullptr;
  double host_ms_ = 0.0;
};

}  // namespace clade
