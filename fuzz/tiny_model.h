// SPDX-License-Identifier: Apache-2.0
// A generator as small as the file format allows.
#pragma once

#include <utility>

#include "io/safetensors.h"

namespace clade::fuzz {

inline void add_layer(TensorFile& file, const std::string& name, std::vector<std::int64_t> shape, std::int64_t biases) {
  const auto add = [&](const std::string& part, std::vector<std::int64_t> extents) {
    HostTensor& tensor = file.tensors["generator_x." + name + part];
    std::size_t count = 1;
    for (std::int64_t extent : extents) count *= static_cast<std::size_t>(extent);
    tensor.shape = std::move(extents);
    for (std::size_t v = 0; v < count; ++v) tensor.values.push_back(0.02f * static_cast<float>(int(v % 7) - 3));
  };
  add(".weight", std::move(shape));
  add(".bias", {biases});
}

/// `channels` in the first layer, one residual block, upsampling by resizing.
inline TensorFile tiny_model(std::int64_t channels) {
  const std::int64_t c = channels;
  TensorFile file;
  add_layer(file, "encoder.0", {c, 1, 7, 7}, c);
  add_layer(file, "encoder.1", {2 * c, c, 3, 3}, 2 * c);
  add_layer(file, "encoder.2", {4 * c, 2 * c, 3, 3}, 4 * c);
  add_layer(file, "residual.0.conv1", {4 * c, 4 * c, 3, 3}, 4 * c);
  add_layer(file, "residual.0.conv2", {4 * c, 4 * c, 3, 3}, 4 * c);
  add_layer(file, "decoder.0", {2 * c, 4 * c, 3, 3}, 2 * c);
  add_layer(file, "decoder.1", {c, 2 * c, 3, 3}, c);
  add_layer(file, "decoder.2", {1, c, 7, 7}, 1);
  file.metadata = {{"norm", "demod"}, {"patch", "8"},        {"stride", "4"},
                   {"range", "0.9"},  {"plane", "sagittal"}, {"intensity", "percentile:0,99.9"}};
  return file;
}

}  // namespace clade::fuzz
