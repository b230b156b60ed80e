// SPDX-License-Identifier: Apache-2.0
#include "models/gradient_memory.h"

#include <algorithm>

namespace clade {

namespace {

using Layout = GradientMemory::Layout;

// A weight's gradient is made in one go, from all uses of the weight; that of a bias grows from use to use.
bool shares_place(const Parameter& parameter) { return parameter.shape.rank() == 5; }

struct Offsets {
  std::vector<std::int64_t> of_parameter;
  std::int64_t size = 0;
};

Offsets make_offsets(Layout layout, const ParameterBlock& block) {
  Offsets offsets;
  const auto shared = [&](const Parameter& parameter) { return layout == Layout::passing && shares_place(parameter); };
  for (const Parameter& parameter : block.parameters())
    if (shared(parameter)) offsets.size = std::max(offsets.size, parameter.shape.size());
  for (const Parameter& parameter : block.parameters()) {
    offsets.of_parameter.push_back(shared(parameter) ? 0 : offsets.size);
    if (!shared(parameter)) offsets.size += parameter.shape.size();
  }
  return offsets;
}

}  // namespace

GradientMemory::GradientMemory(Stream& stream, Layout layout, std::initializer_list<const ParameterBlock*> blocks)
    : layout_(layout) {
  std::int64_t size = 0;
  for (const ParameterBlock* block : blocks) size = std::max(size, make_offsets(layout, *block).size);
  memory_ = Tensor(stream, {size});
}

std::vector<View<float>> GradientMemory::places(const ParameterBlock& block) {
  const Offsets offsets = make_offsets(layout_, block);
  std::vector<View<float>> places;
  for (std::size_t i = 0; i < block.parameters().size(); ++i)
    places.push_back(memory_.view(offsets.of_parameter[i], block.parameters()[i].shape));
  return places;
}

}  // namespace clade
