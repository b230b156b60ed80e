// SPDX-License-Identifier: Apache-2.0
#include "models/parameters.h"

#include <sstream>

#include "core/philox.h"

namespace clade {

namespace {

constexpr double kInitialDeviation = 0.02;

std::vector<std::int64_t> file_shape(const Shape& shape) {
  if (shape.rank() == 2) return {shape[1]};
  return {shape[1], shape[4], shape[2], shape[3]};
}

// Calls visit(index in the file tensor, index in the block) for every value of one net.
template <class Visit>
void for_each_value(const Parameter& parameter, int net, const Visit& visit) {
  const Shape& s = parameter.shape;
  if (s.rank() == 2) {
    for (std::int64_t c = 0; c < s[1]; ++c) visit(c, parameter.offset + net * s[1] + c);
    return;
  }
  const std::int64_t taps = s[2] * s[3];
  const std::int64_t base = parameter.offset + net * s[1] * taps * s[4];
  for (std::int64_t d0 = 0; d0 < s[1]; ++d0)
    for (std::int64_t tap = 0; tap < taps; ++tap)
      for (std::int64_t d1 = 0; d1 < s[4]; ++d1)
        visit((d0 * s[4] + d1) * taps + tap, base + (d0 * taps + tap) * s[4] + d1);
}

std::string print(const std::vector<std::int64_t>& shape) {
  std::ostringstream out;
  out << '[';
  for (std::size_t i = 0; i < shape.size(); ++i) out << (i ? ", " : "") << shape[i];
  out << ']';
  return out.str();
}

}  // namespace

void ParameterBlock::declare(const std::string& name, int d0, int k, int d1, int channels) {
  for (const auto& [suffix, shape] : {std::pair{".weight", Shape{nets(), d0, k, k, d1}},
                                      std::pair{".bias", Shape{nets(), channels}}}) {
    parameters_.push_back({name + suffix, shape, size_});
    size_ += shape.size();
  }
}

void ParameterBlock::initialise(std::uint64_t seed, std::uint64_t first_stream) {
  std::uint64_t stream = first_stream;
  for (const Parameter& parameter : parameters_) {
    RandomSequence random(seed, RandomUse::weights, stream++);
    const View<float> view = values_.view(parameter.offset, parameter.shape);
    const bool is_weight = parameter.shape.rank() == 5;
    for (std::int64_t i = 0; i < view.size(); ++i)
      view[i] = is_weight ? static_cast<float>(kInitialDeviation * random.next_normal()) : 0.0f;
  }
}

std::vector<Var> ParameterBlock::bind(Tape& tape, Tensor& gradients) const {
  std::vector<Var> vars;
  for (const Parameter& parameter : parameters_)
    vars.push_back(tape.parameter(value(parameter), gradients.view(parameter.offset, parameter.shape)));
  return vars;
}

std::vector<Var> ParameterBlock::bind_constants(Tape& tape) const {
  std::vector<Var> vars;
  for (const Parameter& parameter : parameters_) vars.push_back(tape.constant(value(parameter)));
  return vars;
}

void ParameterBlock::export_to(std::map<std::string, HostTensor>& tensors, const Tensor& block,
                               const std::string& suffix) const {
  for (const Parameter& parameter : parameters_)
    for (int net = 0; net < nets(); ++net) {
      HostTensor& tensor = tensors[nets_[static_cast<std::size_t>(net)] + "." + parameter.name + suffix];
      tensor.shape = file_shape(parameter.shape);
      tensor.values.resize(static_cast<std::size_t>(parameter.shape.size() / nets()));
      const float* values = block.host().data();
      for_each_value(parameter, net,
                     [&](std::int64_t file, std::int64_t own) { tensor.values[static_cast<std::size_t>(file)] = values[own]; });
    }
}

int ParameterBlock::import_from(const std::map<std::string, HostTensor>& tensors, Tensor& block,
                                const std::string& suffix, bool required) const {
  int found = 0;
  for (const Parameter& parameter : parameters_)
    for (int net = 0; net < nets(); ++net) {
      const std::string name = nets_[static_cast<std::size_t>(net)] + "." + parameter.name + suffix;
      const auto entry = tensors.find(name);
      if (entry == tensors.end()) {
        CLADE_CHECK(!required, ErrorCode::model, "tensor ", name, " is missing");
        continue;
      }
      const HostTensor& tensor = entry->second;
      CLADE_CHECK(tensor.shape == file_shape(parameter.shape), ErrorCode::model, "tensor ", name, " is ",
                  print(tensor.shape), ", expected ", print(file_shape(parameter.shape)));
      float* values = block.host().data();
      for_each_value(parameter, net,
                     [&](std::int64_t file, std::int64_t own) { values[own] = tensor.values[static_cast<std::size_t>(file)]; });
      ++found;
    }
  return found;
}

}  // namespace clade
