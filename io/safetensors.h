// SPDX-License-Identifier: Apache-2.0
// The safetensors container: named tensors and string metadata in one file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/error.h"

namespace clade {

/// A tensor in host memory, float32, row-major.
struct HostTensor {
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

/// Contents of a safetensors file.
struct TensorFile {
  std::map<std::string, HostTensor> tensors;
  std::map<std::string, std::string> metadata;

  /// The named tensor. Throws Error(`code`) when it is missing.
  const HostTensor& at(const std::string& name, ErrorCode code = ErrorCode::model) const;
};

/// Takes consecutive values of a tensor.
using ValueSink = std::function<void(std::span<const float>)>;

/// A tensor whose values are made when they are needed: a training's state is as large as the training itself.
struct LazyTensor {
  std::vector<std::int64_t> shape;
  std::function<void(const ValueSink&)> values;  ///< hands them over, in order, in parts of any size
};

struct LazyTensorFile {
  std::map<std::string, LazyTensor> tensors;
  std::map<std::string, std::string> metadata;
};

/// Makes all values.
HostTensor load(const LazyTensor& tensor);
std::map<std::string, HostTensor> load(const std::map<std::string, LazyTensor>& tensors);
TensorFile load(const LazyTensorFile& file);

/// Reads a file of F32 tensors (F16, BF16 and F64 are converted). Nothing in the header is trusted: lengths, offsets,
/// overlaps and products are checked before memory is taken; so is the checksum of a file that has one. Throws
/// Error(`code`) naming file and cause.
TensorFile read_safetensors(const std::filesystem::path& path, ErrorCode code = ErrorCode::model);

/// Writes a file with a checksum, whole or not at all; the header is padded so that data starts at a multiple of 8. The
/// bytes depend on the contents only. Throws Error(output).
void write_safetensors(const std::filesystem::path& path, const TensorFile& file);
/// The same with one part of a tensor in memory at a time.
void write_safetensors(const std::filesystem::path& path, const LazyTensorFile& file);

}  // namespace clade
