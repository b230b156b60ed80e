// SPDX-License-Identifier: Apache-2.0
#include "core/cuda_api.h"

#include <cuda_runtime.h>

#include "core/error.h"

namespace clade::cuda_api {

namespace {

void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // a failure that is not sticky must not surface a second time elsewhere
  fail(ErrorCode::device, "CUDA: ", what, ": ", cudaGetErrorString(status));
}

cudaStream_t native(StreamHandle stream) { return static_cast<cudaStream_t>(stream); }
cudaEvent_t event_of(EventHandle event) { return static_cast<cudaEvent_t>(event); }
cudaGraphExec_t graph_of(GraphHandle graph) { return static_cast<cudaGraphExec_t>(graph); }

}  // namespace

int device_count() {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
  cudaGetLastError();  // no driver or no device: the CPU is used
  return 0;
}

std::string device_name(int ordinal) {
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, ordinal), "reading the device's properties");
  return properties.name;
}

void* allocate(int ordinal, std::size_t bytes) {
  check(cudaSetDevice(ordinal), "selecting the device");
  void* memory = nullptr;
  const cudaError_t status = cudaMalloc(&memory, bytes);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    fail(ErrorCode::device, "out of device memory: ", bytes, " bytes asked for");
  }
  check(status, "allocating memory");
  return memory;
}

void release(int ordinal, void* memory) noexcept {
  cudaSetDevice(ordinal);
  cudaFree(memory);
}

StreamHandle create_stream(int ordinal) {
  check(cudaSetDevice(ordinal), "selecting the device");
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "creating a stream");
  return stream;
}

void destroy_stream(StreamHandle stream) noexcept { cudaStreamDestroy(native(stream)); }
void synchronize(StreamHandle stream) { check(cudaStreamSynchronize(native(stream)), "waiting for the device"); }

void copy_to_device(StreamHandle stream, void* device, const void* host, std::size_t bytes) {
  check(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, native(stream)), "copying to the device");
}
void copy_to_host(StreamHandle stream, void* host, const void* device, std::size_t bytes) {
  check(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, native(stream)), "copying from the device");
  synchronize(stream);
}
void copy_on_device(StreamHandle stream, void* to, const void* from, std::size_t bytes) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, native(stream)), "copying on the device");
}
void set_zero(StreamHandle stream, void* device, std::size_t bytes) {
  check(cudaMemsetAsync(device, 0, bytes, native(stream)), "clearing device memory");
}

EventHandle create_event() {
  cudaEvent_t event = nullptr;
  check(cudaEventCreate(&event), "creating an event");
  return event;
}
void destroy_event(EventHandle event) noexcept { cudaEventDestroy(event_of(event)); }
void record_event(EventHandle event, StreamHandle stream) {
  check(cudaEventRecord(event_of(event), native(stream)), "recording an event");
}
float elapsed_ms(EventHandle begin, EventHandle end) {
  check(cudaEventSynchronize(event_of(end)), "waiting for an event");
  float milliseconds = 0.0f;
  check(cudaEventElapsedTime(&milliseconds, event_of(begin), event_of(end)), "reading an event");
  return milliseconds;
}

void begin_capture(StreamHandle stream) {
  check(cudaStreamBeginCapture(native(stream), cudaStreamCaptureModeThreadLocal), "beginning a capture");
}

GraphHandle end_capture(StreamHandle stream) {
  cudaGraph_t graph = nullptr;
  check(cudaStreamEndCapture(native(stream), &graph), "ending a capture");
  cudaGraphExec_t executable = nullptr;
  const cudaError_t status = cudaGraphInstantiate(&executable, graph, 0);
  cudaGraphDestroy(graph);
  check(status, "instantiating a graph");
  return executable;
}

void abandon_capture(StreamHandle stream) noexcept {
  cudaGraph_t graph = nullptr;
  if (cudaStreamEndCapture(native(stream), &graph) == cudaSuccess && graph != nullptr) cudaGraphDestroy(graph);
  cudaGetLastError();
}

void launch_graph(GraphHandle graph, StreamHandle stream) {
  check(cudaGraphLaunch(graph_of(graph), native(stream)), "launching a graph");
}
void destroy_graph(GraphHandle graph) noexcept { cudaGraphExecDestroy(graph_of(graph)); }

}  // namespace clade::cuda_api
