// SPDX-License-Identifier: Apache-2.0
// Convolution and weight demodulation.
#include <array>
#include <span>
#include <vector>

#include "engine/ops.h"
#include "kernels/dispatch.h"

namespace clade {

using kernels::ConvShape;
using kernels::WriteMode;

namespace {

struct ConvAttributes {
  ConvShape shape;
  Activation activation;
};

void conv2d_backward(Tape& tape, const Record& record) {
  const auto& attributes = record.get<ConvAttributes>();
  const View<const float> w = tape.value(tape.input(record, 1));
  Stream& stream = tape.stream();
  const View<float> dy = tape.output_gradient(record);
  if (attributes.activation != Activation::none)
    CLADE_KERNEL(activation_backward)(stream, attributes.activation, tape.value(record.output), dy, dy);
  if (const auto bias = tape.input_gradient(record, 2)) CLADE_KERNEL(bias_backward)(stream, dy, bias->mode, bias->view);
  // One call for all uses: the gradient of a large weight is written once.
  if (const auto weight = tape.gathered_gradient(record, 1)) {
    std::vector<kernels::ConvUse> uses;
    for (const Record* use : weight->records) uses.push_back({tape.value(tape.input(*use, 0)), tape.output_gradient(*use)});
    CLADE_KERNEL(conv_backward_weight)(stream, attributes.shape, std::span(uses), weight->target.mode,
                                       weight->target.view);
  }
  if (const auto input = tape.input_gradient(record, 0))
    CLADE_KERNEL(conv_backward_input)(stream, attributes.shape, dy, w, input->mode, input->view);
}

constexpr OpInfo kConv2d{"conv2d", conv2d_backward};

struct DemodulateAttributes {
  OutputDimension dimension;
  View<const float> scale;
};

void demodulate_backward(Tape& tape, const Record& record) {
  const auto& attributes = record.get<DemodulateAttributes>();
  if (const auto w = tape.input_gradient(record, 0))
    CLADE_KERNEL(demodulate_backward)(tape.stream(), attributes.dimension, tape.value(record.output), attributes.scale,
                                      tape.output_gradient(record), w->mode, w->view);
}

constexpr OpInfo kDemodulate{"demodulate", demodulate_backward};

}  // namespace

Var conv2d(Tape& tape, Var x, Var w, Var bias, const ConvGeometry& geometry, Activation activation) {
  const Shape& input = tape.shape(x);
  const Shape& weight = tape.shape(w);
  CLADE_CHECK(input.rank() == 5 && weight.rank() == 5, ErrorCode::internal, "conv2d of ", input, " with weights ", weight);
  const bool transposed = geometry.kind == ConvKind::transposed;
  ConvShape shape;
  shape.nets = static_cast<int>(input[0]);
  shape.n = static_cast<int>(input[1]);
  shape.h = static_cast<int>(input[2]);
  shape.w = static_cast<int>(input[3]);
  shape.cin = static_cast<int>(input[4]);
  shape.cout = static_cast<int>(transposed ? weight[4] : weight[1]);
  shape.k = static_cast<int>(weight[2]);
  shape.stride = geometry.stride;
  shape.pad = geometry.pad;
  shape.pad_mode = geometry.pad_mode;
  shape.kind = geometry.kind;
  shape.output_padding = geometry.output_padding;
  shape.check();
  CLADE_CHECK(weight == shape.weight(), ErrorCode::internal, "conv2d of ", input, ": weights are ", weight, ", expected ",
              shape.weight());
  const Shape channels{shape.nets, shape.cout};
  CLADE_CHECK(tape.shape(bias) == channels, ErrorCode::internal, "conv2d: bias is ", tape.shape(bias), ", expected ",
              channels);

  const View<float> y = tape.allocate(shape.output());
  CLADE_KERNEL(conv_forward)(tape.stream(), shape, tape.value(x), tape.value(w), tape.value(bias), activation, y);
  return tape.push(kConv2d, std::array{x, w, bias}, y, ConvAttributes{shape, activation});
}

Var demodulate(Tape& tape, Var w, OutputDimension dimension) {
  const Shape& shape = tape.shape(w);
  CLADE_CHECK(shape.rank() == 5, ErrorCode::internal, "demodulate of ", shape);
  const View<float> u = tape.allocate(shape);
  const View<float> scale = tape.allocate({shape[0], dimension == OutputDimension::first ? shape[1] : shape[4]});
  CLADE_KERNEL(demodulate)(tape.stream(), dimension, kDemodulationEpsilon, tape.value(w), u, scale);
  return tape.push(kDemodulate, std::array{w}, u, DemodulateAttributes{dimension, scale});
}

}  // namespace clade
