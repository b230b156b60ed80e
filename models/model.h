// SPDX-License-Identifier: Apache-2.0
// A trained super-resolver: the generator G_X and what is needed to apply it.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "core/stream.h"
#include "io/axes.h"
#include "io/intensity.h"
#include "io/safetensors.h"
#include "models/config.h"

namespace clade {

/// What travels in a model file's metadata besides the weights. Absent fields were not in the file.
struct ModelMetadata {
  std::optional<Norm> norm;
  std::optional<int> patch;
  std::optional<int> stride;
  std::optional<double> range;
  std::optional<IntensityRule> intensity;
  std::optional<Plane> plane;
  /// All other entries (lambdas, seed, version, ...), kept as they are.
  std::map<std::string, std::string> other;

  std::map<std::string, std::string> to_strings() const;
  /// Throws Error(model) for an entry that cannot be understood.
  static ModelMetadata from_strings(const std::map<std::string, std::string>& entries);
};

/// Generator shape read off the tensors `prefix`.* ("generator_x"); norm as given. Throws Error(model) with the
/// name of the tensor that is missing or does not fit.
GeneratorConfig generator_config(const std::map<std::string, HostTensor>& tensors, const std::string& prefix, Norm norm);

/// G_X with its effective weights, ready to run on one stream.
class SuperResolver {
 public:
  /// `norm` overrides the file's. Throws Error(model).
  SuperResolver(const TensorFile& file, std::optional<Norm> norm, Stream& stream);
  ~SuperResolver();
  SuperResolver(SuperResolver&&) noexcept;

  const GeneratorConfig& config() const;
  const ModelMetadata& metadata() const;
  Stream& stream() const;

  /// y = G_X(x) for patches [count, h, w] on the stream's device, h and w multiples of 4 from 8 on.
  void apply(View<const float> x, View<float> y);
  /// The same on the host, for `count` patches of h x w (multiples of 4, at least 8) floats each.
  void apply(std::span<const float> x, int count, int h, int w, std::span<float> y);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Reads a model file. Throws Error(model) naming the file.
SuperResolver load_model(const std::filesystem::path& path, std::optional<Norm> norm, Stream& stream);

}  // namespace clade
