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

// Values of one net of a parameter.
std::int64_t net_size(const Parameter& parameter) { return parameter.shape.size() / parameter.shape[0]; }

// The values of a net are slabs, as many as its first extent, each with its values in an order that kernels like. Calls
// visit(index in the file's slab, index in ours) for every value of a slab.
std::int64_t slab_count(const Parameter& parameter) { return parameter.shape.rank() == 2 ? 1 : parameter.shape[1]; }

template <class Visit>
void for_each_value_of_slab(const Parameter& parameter, const Visit& visit) {
  const Shape& s = parameter.shape;
  if (s.rank() == 2) {
    for (std::int64_t c = 0; c < s[1]; ++c) visit(c, c);
    return;
  }
  const std::int64_t taps = s[2] * s[3];
  for (std::int64_t tap = 0; tap < taps; ++tap)
    for (std::int64_t d1 = 0; d1 < s[4]; ++d1) visit(d1 * taps + tap, tap * s[4] + d1);
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

void ParameterBlock::initialise(Stream& stream, std::uint64_t seed, std::uint64_t first_stream) {
  std::uint64_t sequence = first_stream;
  for (const Parameter& parameter : parameters_) {
    RandomSequence random(seed, RandomUse::weights, sequence++);
    std::vector<float> values(static_cast<std::size_t>(parameter.shape.size()), 0.0f);
    if (parameter.shape.rank() == 5)
      for (float& value : values) value = static_cast<float>(kInitialDeviation * random.next_normal());
    stream.copy_to_device(values_.view(parameter.offset, parameter.shape).data, values.data(),
                          values.size() * sizeof(float));
  }
}

std::vector<Var> ParameterBlock::bind(Tape& tape, const Tensor& values,
                                      std::span<const View<float>> gradients) const {
  std::vector<Var> vars;
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    vars.push_back(tape.parameter(values.view(parameters_[i].offset, parameters_[i].shape), gradients[i]));
  return vars;
}

std::vector<Var> ParameterBlock::bind_constants(Tape& tape, const Tensor& values) const {
  std::vector<Var> vars;
  for (const Parameter& parameter : parameters_)
    vars.push_back(tape.constant(values.view(parameter.offset, parameter.shape)));
  return vars;
}

void ParameterBlock::export_to(Stream& stream, std::map<std::string, LazyTensor>& tensors, const Tensor& block,
                               const std::string& suffix) const {
  for (const Parameter& parameter : parameters_)
    for (int net = 0; net < nets(); ++net)
      tensors[nets_[static_cast<std::size_t>(net)] + "." + parameter.name + suffix] = {
          file_shape(parameter.shape), [&stream, &block, &parameter, net](const ValueSink& sink) {
            const std::int64_t size = net_size(parameter);
            const float* own = block.view(parameter.offset + net * size, {size}).data;
            std::vector<float> copy;
            if (!stream.device().is_cpu()) {
              copy = block.values(stream, parameter.offset + net * size, size);
              own = copy.data();
            }
            std::vector<float> slab(static_cast<std::size_t>(size / slab_count(parameter)));
            for (std::int64_t s = 0; s < slab_count(parameter); ++s, own += slab.size()) {
              for_each_value_of_slab(parameter, [&](std::int64_t file, std::int64_t inside) {
                slab[static_cast<std::size_t>(file)] = own[inside];
              });
              sink(slab);
            }
          }};
}

int ParameterBlock::import_from(Stream& stream, const std::map<std::string, HostTensor>& tensors, Tensor& block,
                                const std::string& suffix, bool required) const {
  int found = 0;
  std::vector<float> values = block.values(stream);
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
      float* own = values.data() + parameter.offset + net * net_size(parameter);
      const std::int64_t slab = net_size(parameter) / slab_count(parameter);
      const float* given = tensor.values.data();
      for (std::int64_t s = 0; s < slab_count(parameter); ++s, own += slab, given += slab)
        for_each_value_of_slab(parameter, [&](std::int64_t file, std::int64_t inside) { own[inside] = given[file]; });
      ++found;
    }
  block.assign(stream, values);
  return found;
}

}  // namespace clade
