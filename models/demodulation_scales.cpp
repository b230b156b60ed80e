// SPDX-License-Identifier: Apache-2.0
#include "models/demodulation_scales.h"

#include "kernels/dispatch.h"

namespace clade {

namespace {

// Added to the sum of squares of a channel before the root.
constexpr float kEpsilon = 1e-8f;

}  // namespace

DemodulationScales::DemodulationScales(Stream& stream, const Generator& generator, const ParameterBlock& block) {
  std::int64_t scales = 0;
  for (std::size_t i = 0; i < block.parameters().size(); ++i) {
    const Parameter& parameter = block.parameters()[i];
    kernels::ParameterSegment segment;
    segment.offset = parameter.offset;
    segment.nets = block.nets();
    segment.channels = static_cast<std::int32_t>(parameter.shape.size() / block.nets());
    if (const auto dimension = generator.demodulated(i)) {
      segment.demodulated = true;
      segment.dimension = *dimension;
      segment.channels = static_cast<std::int32_t>(parameter.shape[*dimension == OutputDimension::first ? 1 : 4]);
      segment.fan = static_cast<std::int32_t>(parameter.shape.size() / (segment.nets * segment.channels));
      segment.scale = scales;
      scales += segment.nets * segment.channels;
    }
    segments_.push_back(segment);
  }
  scales_ = Tensor(stream, {scales});
  for (const kernels::ParameterSegment& segment : segments_)
    views_.push_back(segment.demodulated ? scales_.view(segment.scale, {segment.nets, segment.channels})
                                         : View<const float>());
  refresh(stream, block);
}

void DemodulationScales::refresh(Stream& stream, const ParameterBlock& block) {
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    const kernels::ParameterSegment& segment = segments_[i];
    if (!segment.demodulated) continue;
    const Parameter& parameter = block.parameters()[i];
    CLADE_KERNEL(demodulation_scales)(stream, segment.dimension, kEpsilon,
                                      block.values().view(parameter.offset, parameter.shape),
                                      scales_.view(segment.scale, {segment.nets, segment.channels}));
  }
}

void DemodulationScales::pull_back(Stream& stream, Tensor& gradients, const ParameterBlock& block) const {
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    const kernels::ParameterSegment& segment = segments_[i];
    if (!segment.demodulated) continue;
    const Parameter& parameter = block.parameters()[i];
    CLADE_KERNEL(demodulation_backward)(stream, segment.dimension, block.values().view(parameter.offset, parameter.shape),
                                        views_[i], gradients.view(parameter.offset, parameter.shape));
  }
}

void DemodulationScales::update(Stream& stream, View<const kernels::StepControl> control, const Tensor& gradients,
                                Adam& adam, ParameterBlock& block) {
  CLADE_KERNEL(update_demodulated)(stream, adam.parameters(), kEpsilon, segments_, control, gradients.view(),
                                   adam.first_moment().view(), adam.second_moment().view(), block.values().view(),
                                   scales_.view());
}

void DemodulationScales::update(Stream& stream, View<const kernels::StepControl> control, std::size_t i,
                                View<const float> gradient, Adam& adam, ParameterBlock& block) {
  // All arrays start with this parameter.
  const std::int64_t offset = block.parameters()[i].offset;
  const Shape flat{gradient.size()};
  kernels::ParameterSegment segment = segments_[i];
  segment.offset = 0;
  CLADE_KERNEL(update_demodulated)(stream, adam.parameters(), kEpsilon, std::span(&segment, 1), control,
                                   View<const float>(gradient.data, flat), adam.first_moment().view(offset, flat),
                                   adam.second_moment().view(offset, flat), block.values().view(offset, flat),
                                   scales_.view());
}

}  // namespace clade
