// SPDX-License-Identifier: Apache-2.0
// The parameters of one or several networks of equal shape, in one flat block.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/tape.h"
#include "engine/tensor.h"
#include "io/safetensors.h"

namespace clade {

/// One named tensor of every net: [nets, d0, kh, kw, d1] for weights, [nets, channels] for biases.
struct Parameter {
  std::string name;  ///< without the net's prefix, as in model files: "encoder.0.weight"
  Shape shape;       ///< nets included
  std::int64_t offset = 0;
};

/// Values of all parameters of networks that share calls ("generator_x" and "generator_y"), contiguous so that the
/// optimiser sees one array. In files the tensors are [d0, d1, kh, kw] (PyTorch); here [d0, kh, kw, d1].
class ParameterBlock {
 public:
  explicit ParameterBlock(std::vector<std::string> nets) : nets_(std::move(nets)) {}

  /// Declares a weight [d0, k, k, d1] and a bias [channels] for every net; "name.weight", "name.bias".
  void declare(const std::string& name, int d0, int k, int d1, int channels);
  /// Takes the memory, zeros; no declarations after this.
  void allocate(Stream& stream) { values_ = Tensor(stream, {size_}); }

  int nets() const { return static_cast<int>(nets_.size()); }
  std::int64_t size() const { return size_; }
  const std::vector<Parameter>& parameters() const { return parameters_; }
  Tensor& values() { return values_; }
  const Tensor& values() const { return values_; }

  /// Weights N(0, 0.02) (Zhu et al. 2017), biases 0. Streams of random numbers `first_stream`, ... are used.
  void initialise(Stream& stream, std::uint64_t seed, std::uint64_t first_stream);

  /// Puts every parameter on a tape, in order; values are in a block laid out like this one.
  std::vector<Var> bind(Tape& tape, const Tensor& values, std::span<const View<float>> gradients) const;
  /// The same as constants.
  std::vector<Var> bind_constants(Tape& tape, const Tensor& values) const;

  /// Adds "net.name" + suffix for every parameter, read from a block laid out like this one, in file layout. All of it
  /// must live on until the values are made.
  void export_to(Stream& stream, std::map<std::string, LazyTensor>& tensors, const Tensor& block,
                 const std::string& suffix = "") const;
  /// The reverse. Returns how many tensors were found; `required`: a missing one is an Error(model).
  int import_from(Stream& stream, const std::map<std::string, HostTensor>& tensors, Tensor& block,
                  const std::string& suffix, bool required) const;

 private:
  std::vector<std::string> nets_;
  std::vector<Parameter> parameters_;
  std::int64_t size_ = 0;
  Tensor values_;
};

}  // namespace clade
