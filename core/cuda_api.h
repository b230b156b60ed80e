// SPDX-License-Identifier: Apache-2.0
// The part of the CUDA runtime that the layers above use, behind plain types. cuda_api.cpp implements it with the
// runtime (or its emulation), cuda_api_none.cpp for builds without CUDA: no devices, and nothing else is ever called.
// All functions throw Error(device) when the runtime reports a failure.
#pragma once

#include <cstddef>
#include <string>

namespace clade::cuda_api {

using StreamHandle = void*;
using EventHandle = void*;
using GraphHandle = void*;

int device_count();
std::string device_name(int ordinal);

void* allocate(int ordinal, std::size_t bytes);
void release(int ordinal, void* memory) noexcept;

StreamHandle create_stream(int ordinal);
void destroy_stream(StreamHandle stream) noexcept;
/// Waits for the work of the stream; failures of its kernels surface here.
void synchronize(StreamHandle stream);

/// Asynchronous where the host memory allows it; a copy to pageable host memory has happened when the call returns.
void copy_to_device(StreamHandle stream, void* device, const void* host, std::size_t bytes);
void copy_to_host(StreamHandle stream, void* host, const void* device, std::size_t bytes);
void copy_on_device(StreamHandle stream, void* to, const void* from, std::size_t bytes);
void set_zero(StreamHandle stream, void* device, std::size_t bytes);

EventHandle create_event();
void destroy_event(EventHandle event) noexcept;
void record_event(EventHandle event, StreamHandle stream);
/// Milliseconds between two recorded events; waits for the later one.
float elapsed_ms(EventHandle begin, EventHandle end);

/// What the stream is given from here on is recorded and not run.
void begin_capture(StreamHandle stream);
/// Ends the capture; the graph can be launched any number of times.
GraphHandle end_capture(StreamHandle stream);
/// Ends a capture that went wrong and forgets it.
void abandon_capture(StreamHandle stream) noexcept;
void launch_graph(GraphHandle graph, StreamHandle stream);
void destroy_graph(GraphHandle graph) noexcept;

}  // namespace clade::cuda_api
