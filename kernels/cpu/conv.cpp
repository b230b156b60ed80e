// SPDX-License-Identifier: Apache-2.0
// The convolution entry points: which algorithm serves which kind.
#include "kernels/cpu/conv_resize.h"
#include "kernels/cpu/conv_thin.h"
#include "kernels/cpu/window_grid.h"
#include "kernels/cpu/winograd.h"
#include "kernels/cpu/winograd_resampling.h"
#include "kernels/kernels.h"

namespace clade::kernels::cpu {

namespace {

/// Direct: windows on the input, features are the output. Transposed: windows on the output, features are the input.
WindowGrid make_grid(const ConvShape& shape) {
  const bool transposed = shape.kind == ConvKind::transposed;
  const auto line = [&](int in, int out) {
    return transposed ? AxisMap(out, in, shape.k, shape.stride, shape.pad, PadMode::zero)
                      : AxisMap(in, out, shape.k, shape.stride, shape.pad, shape.pad_mode);
  };
  WindowGrid grid;
  grid.nets = shape.nets;
  grid.n = shape.n;
  grid.channels = transposed ? shape.cout : shape.cin;
  grid.features = transposed ? shape.cin : shape.cout;
  grid.k = shape.k;
  grid.rows.push_back(line(shape.h, shape.out_h()));
  grid.columns.push_back(line(shape.w, shape.out_w()));
  return grid;
}

/// Whether the forward pass may finish outputs elsewhere than in their place.
bool passes_outputs_on(const ConvShape& shape) {
  return is_thin(shape) || (shape.kind == ConvKind::resize && !resamples_faster(shape, ConvPass::forward));
}

void backward_weight_of_use(Stream& stream, const ConvShape& shape, const float* x, const float* dy, WriteMode mode,
                            float* dw) {
  if (is_thin(shape)) return thin_backward_weight(stream, shape, x, dy, mode, dw);
  switch (shape.kind) {
    case ConvKind::direct:
      return correlate_weight_gradient(stream, make_grid(shape), x, dy, mode, dw);
    case ConvKind::transposed:
      return correlate_weight_gradient(stream, make_grid(shape), dy, x, mode, dw);
    case ConvKind::resize:
      return resize_backward_weight(stream, shape, x, dy, mode, dw);
  }
}

}  // namespace

void conv_forward(Stream& stream, const ConvShape& shape, View<const float> x, View<const float> w,
                  View<const float> scale, View<const float> bias, Activation activation, View<const float> residual,
                  View<float> y) {
  if (residual && passes_outputs_on(shape)) {
    conv_forward(stream, shape, x, w, scale, bias, activation, {}, y);
    add(stream, y, residual, y);
    return;
  }
  const Epilogue epilogue{scale.data, bias.data, activation, shape.cout, residual.data, y.data};
  if (is_thin(shape)) return thin_forward(stream, shape, x.data, w.data, epilogue, y.data);
  if (resamples_faster(shape, ConvPass::forward))
    return resampling_forward(stream, shape, x.data, w.data, epilogue, y.data);
  if (const int tile = winograd_tile(shape, ConvPass::forward))
    return winograd_forward(stream, shape, tile, x.data, w.data, epilogue, y.data);
  switch (shape.kind) {
    case ConvKind::direct:
      return correlate(stream, make_grid(shape), x.data, w.data, epilogue, WriteMode::overwrite, y.data);
    case ConvKind::transposed:
      return correlate_adjoint(stream, make_grid(shape), x.data, w.data, epilogue, WriteMode::overwrite, y.data);
    case ConvKind::resize:
      return resize_forward(stream, shape, x.data, w.data, epilogue, y.data);
  }
}

void conv_backward_input(Stream& stream, const ConvShape& shape, View<const float> dy, View<const float> w,
                         WriteMode mode, View<float> dx) {
  if (is_thin(shape)) return thin_backward_input(stream, shape, dy.data, w.data, mode, dx.data);
  if (resamples_faster(shape, ConvPass::backward_input))
    return resampling_backward_input(stream, shape, dy.data, w.data, mode, dx.data);
  if (const int tile = winograd_tile(shape, ConvPass::backward_input))
    return winograd_backward_input(stream, shape, tile, dy.data, w.data, mode, dx.data);
  switch (shape.kind) {
    case ConvKind::direct:
      return correlate_adjoint(stream, make_grid(shape), dy.data, w.data, Epilogue{}, mode, dx.data);
    case ConvKind::transposed:
      return correlate(stream, make_grid(shape), dy.data, w.data, Epilogue{}, mode, dx.data);
    case ConvKind::resize:
      return resize_backward_input(stream, shape, dy.data, w.data, mode, dx.data);
  }
}

void conv_backward_weight(Stream& stream, const ConvShape& shape, std::span<const ConvUse> uses, WriteMode mode,
                          View<float> dw) {
  ConvShape all = shape;
  all.n = 0;
  for (const ConvUse& use : uses) all.n += use.samples();
  if (resamples_faster(all, ConvPass::backward_weight))
    return resampling_backward_weight(stream, all, uses, mode, dw.data);
  if (const int tile = winograd_tile(all, ConvPass::backward_weight))
    return winograd_backward_weight(stream, all, tile, uses, mode, dw.data);
  for (const ConvUse& use : uses) {
    backward_weight_of_use(stream, use.of(shape), use.x.data, use.dy.data, mode, dw.data);
    mode = WriteMode::accumulate;
  }
}

}  // namespace clade::kernels::cpu
