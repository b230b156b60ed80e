// SPDX-License-Identifier: Apache-2.0
#include "models/effective_weights.h"

#include "kernels/dispatch.h"

namespace clade {

EffectiveWeights::EffectiveWeights(Stream& stream, const Generator& generator, const ParameterBlock& block)
    : values_(stream, {block.size()}) {
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
  refresh(stream, block);
}

void EffectiveWeights::refresh(Stream& stream, const ParameterBlock& block) {
  stream.copy_on_device(values_.view().data, block.values().view().data,
                        static_cast<std::size_t>(block.size()) * sizeof(float));
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    const kernels::ParameterSegment& segment = segments_[i];
    if (!segment.demodulated) continue;
    const Parameter& parameter = block.parameters()[i];
    CLADE_KERNEL(demodulate)(stream, segment.dimension, kDemodulationEpsilon,
                             block.values().view(parameter.offset, parameter.shape),
                             values_.view(parameter.offset, parameter.shape),
                             scales_.view(segment.scale, {segment.nets, segment.channels}));
  }
}

void EffectiveWeights::pull_back(Stream& stream, Tensor& gradients, const ParameterBlock& block) {
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    const kernels::ParameterSegment& segment = segments_[i];
    if (!segment.demodulated) continue;
    const Parameter& parameter = block.parameters()[i];
    const View<float> gradient = gradients.view(parameter.offset, parameter.shape);
    CLADE_KERNEL(demodulate_backward)(stream, segment.dimension, values_.view(parameter.offset, parameter.shape),
                                      scales_.view(segment.scale, {segment.nets, segment.channels}), gradient,
                                      kernels::WriteMode::overwrite, gradient);
  }
}

void EffectiveWeights::update(Stream& stream, View<const kernels::StepControl> control, const Tensor& gradients,
                              Adam& adam, ParameterBlock& block) {
  CLADE_KERNEL(update_demodulated)(stream, adam.parameters(), kDemodulationEpsilon, segments_, control,
                                   gradients.view(), adam.first_moment().view(), adam.second_moment().view(),
                                   block.values().view(), values_.view(), scales_.view());
}

void EffectiveWeights::update(Stream& stream, View<const kernels::StepControl> control, std::size_t i,
                              View<const float> gradient, Adam& adam, ParameterBlock& block) {
  // All arrays start with this parameter.
  const std::int64_t offset = block.parameters()[i].offset;
  const Shape flat{gradient.size()};
  kernels::ParameterSegment segment = segments_[i];
  segment.offset = 0;
  CLADE_KERNEL(update_demodulated)(stream, adam.parameters(), kDemodulationEpsilon, std::span(&segment, 1), control,
                                   View<const float>(gradient.data, flat), adam.first_moment().view(offset, flat),
                                   adam.second_moment().view(offset, flat), block.values().view(offset, flat),
                                   values_.view(offset, flat), scales_.view());
}

}  // namespace clade
