// SPDX-License-Identifier: Apache-2.0
#include "core/cuda_api.h"
#include "core/error.h"

namespace clade::cuda_api {

namespace {
[[noreturn]] void unavailable() { fail(ErrorCode::device, "this build of CLADE has no CUDA support"); }
}  // namespace

int device_count() { return 0; }
std::string device_name(int) { unavailable(); }
void* allocate(int, std::size_t) { unavailable(); }
void release(int, void*) noexcept {}
StreamHandle create_stream(int) { unavailable(); }
void destroy_stream(StreamHandle) noexcept {}
void synchronize(StreamHandle) { unavailable(); }
void copy_to_device(StreamHandle, void*, const void*, std::size_t) { unavailable(); }
void copy_to_host(StreamHandle, void*, const void*, std::size_t) { unavailable(); }
void copy_on_device(StreamHandle, void*, const void*, std::size_t) { unavailable(); }
void set_zero(StreamHandle, void*, std::size_t) { unavailable(); }
EventHandle create_event() { unavailable(); }
void destroy_event(EventHandle) noexcept {}
void record_event(EventHandle, StreamHandle) { unavailable(); }
float elapsed_ms(EventHandle, EventHandle) { unavailable(); }
void begin_capture(StreamHandle) { unavailable(); }
GraphHandle end_capture(StreamHandle) { unavailable(); }
void abandon_capture(StreamHandle) noexcept {}
void launch_graph(GraphHandle, StreamHandle) { unavailable(); }
void destroy_graph(GraphHandle) noexcept {}

}  // namespace clade::cuda_api
