// SPDX-License-Identifier: Apache-2.0
// Convolution.
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
  View<const float> scale;
};

void conv2d_backward(Tape& tape, const Record& record) {
  const auto& attributes = record.get<ConvAttributes>();
  const View<const float> w = tape.value(tape.input(record, 1));
  Stream& stream = tape.stream();
  const View<float> dy = tape.output_gradient(record);
  if (record.input_count == 4)  // first, as the epilogue's way back overwrites dy
    if (const auto residual = tape.input_gradient(record, 3))
      CLADE_KERNEL(scale_into)(stream, 1.0f, dy, residual->mode, residual->view);
  const auto bias = tape.input_gradient(record, 2);
  if (bias || attributes.scale || attributes.activation != Activation::none)
    CLADE_KERNEL(epilogue_backward)(stream, attributes.activation, attributes.scale, tape.value(record.output), dy,
                                    bias ? bias->mode : WriteMode::overwrite, bias ? bias->view : View<float>());
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

}  // namespace

Var conv2d(Tape& tape, Var x, Var w, Var bias, const ConvGeometry& geometry, Activation activation,
           View<const float> scale, Var residual) {
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

  CLADE_CHECK(!scale || scale.shape == channels, ErrorCode::internal, "conv2d: scale is ", scale.shape, ", expected ",
              channels);

  const View<float> y = tape.allocate(shape.output());
  View<const float> added;
  if (residual) {
    added = tape.value(residual);
    CLADE_CHECK(added.shape == shape.output(), ErrorCode::internal, "conv2d: a residual of ", added.shape, " for ",
                shape.output());
    CLADE_CHECK(activation == Activation::none, ErrorCode::internal,
                "conv2d: an activation before a residual, whose way back would be read off its output");
  }
  CLADE_KERNEL(conv_forward)(tape.stream(), shape, tape.value(x), tape.value(w), scale, tape.value(bias), activation,
                             added, y);
  const std::array inputs{x, w, bias, residual};
  return tape.push(kConv2d, std::span(inputs).first(residual ? 4 : 3), y, ConvAttributes{shape, activation, scale});
}

}  // namespace clade
