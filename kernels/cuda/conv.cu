// SPDX-License-Identifier: Apache-2.0
// The convolution entry points: which kernel serves which kind, and with which taps.
#include <algorithm>

#include "kernels/cuda/conv_launch.cuh"
#include "kernels/kernels.h"

namespace clade::kernels::cuda {

namespace {

bool is_thin(const ConvShape& shape) { return shape.kind == ConvKind::direct && (shape.cin == 1 || shape.cout == 1); }

}  // namespace

Phases window_phases(const ConvShape& s, int weight_step) {
  CLADE_CHECK(s.k * s.k <= kMostTaps, ErrorCode::internal, "a convolution of ", s.k, " x ", s.k, " taps");
  const bool transposed = s.kind == ConvKind::transposed;
  const PadMode mode = transposed ? PadMode::zero : s.pad_mode;
  Phases phases;
  phases.rows[0] = {AxisRule::Kind::window, transposed ? s.out_h() : s.h, 0, s.stride, s.pad, mode};
  phases.columns[0] = {AxisRule::Kind::window, transposed ? s.out_w() : s.w, 0, s.stride, s.pad, mode};
  for (int row = 0; row < s.k; ++row)
    for (int column = 0; column < s.k; ++column)
      phases.taps[phases.first_tap[1]++] = {static_cast<short>(row), static_cast<short>(column),
                                            (row * s.k + column) * weight_step};
  return phases;
}

Phases reader_phases(const ConvShape& s, int windows_h, int windows_w, int image_h, int image_w, int weight_step) {
  CLADE_CHECK(s.k * s.k <= kMostTaps, ErrorCode::internal, "a convolution of ", s.k, " x ", s.k, " taps");
  const PadMode mode = s.kind == ConvKind::transposed ? PadMode::zero : s.pad_mode;
  Phases phases;
  // Mirrored positions fall into other phases, so a mirrored image is taken whole.
  phases.step = mode == PadMode::zero && s.stride * s.stride <= kMostPhases ? s.stride : 1;
  phases.count = phases.step * phases.step;
  int taps = 0;
  for (int phase = 0; phase < phases.count; ++phase) {
    phases.first_tap[phase] = taps;
    phases.rows[phase] = {AxisRule::Kind::reader, windows_h, image_h, s.stride, s.pad, mode};
    phases.columns[phase] = {AxisRule::Kind::reader, windows_w, image_w, s.stride, s.pad, mode};
    for (int row = 0; row < s.k; ++row)
      for (int column = 0; column < s.k; ++column) {
        const bool reaches = (phases.row_offset(phase) + s.pad - row) % phases.step == 0 &&
                             (phases.column_offset(phase) + s.pad - column) % phases.step == 0;
        if (reaches)
          phases.taps[taps++] = {static_cast<short>(row), static_cast<short>(column),
                                 (row * s.k + column) * weight_step};
      }
  }
  phases.first_tap[phases.count] = taps;
  return phases;
}

void run_gemm(Stream& stream, Gemm gemm, int nets, bool depth_fastest) {
  if (depth_fastest) {
    run_gemm_depth_fastest(stream, gemm, nets);
  } else {
    run_gemm_depth_slow(stream, gemm, nets);
  }
}

void conv_forward(Stream& stream, const ConvShape& s, View<const float> x, View<const float> w, View<const float> scale,
                  View<const float> bias, Activation activation, View<const float> residual, View<float> y) {
  if (residual && is_thin(s)) {
    conv_forward(stream, s, x, w, scale, bias, activation, {}, y);
    add(stream, y, residual, y);
    return;
  }
  const Epilogue epilogue{scale.data, bias.data, activation, residual.data};
  if (is_thin(s)) return thin_forward(stream, s, x.data, w.data, epilogue, y.data);
  if (s.kind == ConvKind::resize) return resize_forward(stream, s, x.data, w.data, epilogue, y.data);
  const bool transposed = s.kind == ConvKind::transposed;
  const int taps = s.k * s.k;
  Gemm gemm{};
  gemm.source = x.data;
  gemm.weights = w.data;
  gemm.out = y.data;
  gemm.n = s.n;
  gemm.source_h = s.h;
  gemm.source_w = s.w;
  gemm.channels = s.cin;
  gemm.out_h = s.out_h();
  gemm.out_w = s.out_w();
  gemm.out_channels = s.cout;
  gemm.net_weights = std::int64_t{taps} * s.cin * s.cout;
  gemm.epilogue = epilogue;
  gemm.mode = WriteMode::overwrite;
  gemm.k_step = transposed ? taps * s.cout : 1;
  gemm.n_step = transposed ? 1 : taps * s.cin;
  gemm.phases = transposed ? reader_phases(s, s.h, s.w, s.out_h(), s.out_w(), s.cout) : window_phases(s, s.cin);
  run_gemm(stream, gemm, s.nets, !transposed);
}

void conv_backward_input(Stream& stream, const ConvShape& s, View<const float> dy, View<const float> w, WriteMode mode,
                         View<float> dx) {
  if (is_thin(s)) return thin_backward_input(stream, s, dy.data, w.data, mode, dx.data);
  if (s.kind == ConvKind::resize) return resize_backward_input(stream, s, dy.data, w.data, mode, dx.data);
  const bool transposed = s.kind == ConvKind::transposed;
  const int taps = s.k * s.k;
  Gemm gemm{};
  gemm.source = dy.data;
  gemm.weights = w.data;
  gemm.out = dx.data;
  gemm.n = s.n;
  gemm.source_h = s.out_h();
  gemm.source_w = s.out_w();
  gemm.channels = s.cout;
  gemm.out_h = s.h;
  gemm.out_w = s.w;
  gemm.out_channels = s.cin;
  gemm.net_weights = std::int64_t{taps} * s.cin * s.cout;
  gemm.mode = mode;
  gemm.k_step = transposed ? 1 : taps * s.cin;
  gemm.n_step = transposed ? taps * s.cout : 1;
  gemm.phases = transposed ? window_phases(s, s.cout) : reader_phases(s, s.out_h(), s.out_w(), s.h, s.w, s.cin);
  run_gemm(stream, gemm, s.nets, transposed);
}

void conv_backward_weight(Stream& stream, const ConvShape& s, std::span<const ConvUse> uses, WriteMode mode,
                          View<float> dw) {
  if (is_thin(s) || s.kind == ConvKind::resize) {
    for (const ConvUse& use : uses) {
      const auto backward = is_thin(s) ? thin_backward_weight : resize_backward_weight;
      backward(stream, use.of(s), use.x.data, use.dy.data, mode, dw.data);
      mode = WriteMode::accumulate;
    }
    return;
  }
  const bool transposed = s.kind == ConvKind::transposed;
  const int taps = s.k * s.k;
  WeightGradient problem{};
  problem.dweights = dw.data;
  problem.image_h = transposed ? s.out_h() : s.h;
  problem.image_w = transposed ? s.out_w() : s.w;
  problem.channels = transposed ? s.cout : s.cin;
  problem.feature_h = transposed ? s.h : s.out_h();
  problem.feature_w = transposed ? s.w : s.out_w();
  problem.feature_count = transposed ? s.cin : s.cout;
  problem.net_weights = std::int64_t{taps} * s.cin * s.cout;
  problem.feature_step = taps * problem.channels;
  problem.phases = window_phases(s, problem.channels);
  while (!uses.empty()) {
    const std::size_t count = std::min<std::size_t>(uses.size(), kMostUses);
    problem.n = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const ConvUse& use = uses[i];
      problem.uses[i] = {transposed ? use.dy.data : use.x.data, transposed ? use.x.data : use.dy.data, use.samples()};
      problem.n += use.samples();
    }
    problem.mode = mode;
    run_weight_gradient(stream, problem, s.nets);
    uses = uses.subspan(count);
    mode = WriteMode::accumulate;
  }
}

}  // namespace clade::kernels::cuda
