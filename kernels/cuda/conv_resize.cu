// SPDX-License-Identifier: Apache-2.0
// Nearest x2 upsampling, reflect padding 1 and a 3x3 convolution without the upsampled image: an output reads only 2x2
// source pixels, so each of the four output phases is a 2x2 convolution with summed taps (16 products in place of 36).
// Reflection of the doubled edge repeats the source edge. Weights of the phases: [nets, 4, cout, 2, 2, cin].
#include "kernels/cuda/conv_igemm.cuh"
#include "kernels/cuda/conv_plan.h"

namespace clade::kernels::cuda {

namespace {

constexpr int kPhases = 4;

/// The tap of the 2x2 window of a phase (0 even, 1 odd) that holds tap r of the 3x3 window, along one axis.
__device__ inline int phase_tap(int parity, int r) { return r > parity ? 1 : 0; }

struct SumTaps {
  const float* w;  // [nets, cout, 3, 3, cin]
  float* phases;
  int cout;
  int cin;
  __device__ void operator()(std::int64_t i) const {
    const int channel = static_cast<int>(i % cin), tap = static_cast<int>(i / cin % 4);
    const std::int64_t filter = i / (4 * cin) % cout, outer = i / (std::int64_t{4} * cin * cout);
    const int phase = static_cast<int>(outer % kPhases);
    const float* from = w + (outer / kPhases * cout + filter) * 9 * cin + channel;
    float sum = 0.0f;
    for (int r = 0; r < 3; ++r)
      for (int s = 0; s < 3; ++s)
        if (phase_tap(phase / 2, r) == tap / 2 && phase_tap(phase % 2, s) == tap % 2) sum += from[(3 * r + s) * cin];
    phases[i] = sum;
  }
};

/// Adjoint of SumTaps.
struct SpreadTaps {
  const float* phases;
  float* dw;
  int cout;
  int cin;
  WriteMode mode;
  __device__ void operator()(std::int64_t i) const {
    const int channel = static_cast<int>(i % cin), r = static_cast<int>(i / cin % 9) / 3,
              s = static_cast<int>(i / cin % 9) % 3;
    const std::int64_t filter = i / (9 * cin) % cout, net = i / (std::int64_t{9} * cin * cout);
    float sum = 0.0f;
    for (int phase = 0; phase < kPhases; ++phase) {
      const int tap = 2 * phase_tap(phase / 2, r) + phase_tap(phase % 2, s);
      sum += phases[(((net * kPhases + phase) * cout + filter) * 4 + tap) * cin + channel];
    }
    write(mode, sum, dw + i);
  }
};

Shape phase_weights(const ConvShape& s) { return {s.nets, kPhases, s.cout, 4, s.cin}; }

View<float> sum_taps(Stream& stream, const ConvShape& s, const float* w) {
  const View<float> phases = stream.scratch().view<float>(phase_weights(s));
  for_each(stream, phases.size(), SumTaps{w, phases.data, s.cout, s.cin});
  return phases;
}

/// The 2x2 windows of the four phases; a phase looks back by one pixel where it is even.
Phases window_phases_2x2(const ConvShape& s) {
  Phases phases;
  phases.step = 2;
  phases.count = kPhases;
  phases.count_inside = true;
  for (int phase = 0; phase < kPhases; ++phase) {
    phases.rows[phase] = {AxisRule::Kind::window, s.h, 0, 1, 1 - phase / 2, PadMode::replicate};
    phases.columns[phase] = {AxisRule::Kind::window, s.w, 0, 1, 1 - phase % 2, PadMode::replicate};
    phases.first_tap[phase + 1] = 4 * (phase + 1);
    for (int tap = 0; tap < 4; ++tap)
      phases.taps[4 * phase + tap] = {static_cast<short>(tap / 2), static_cast<short>(tap % 2),
                                      (phase * s.cout * 4 + tap) * s.cin};
  }
  return phases;
}

/// The sixteen outputs that read a pixel, as one window of 4x4. Along an axis, taps 0 to 3 are the odd output before
/// (second tap of phase 1), the even one (second of phase 0), the odd one (first of 1), the even one behind (first of
/// 0).
Phases doubled_phase(const ConvShape& s) {
  constexpr int kParity[4] = {1, 0, 1, 0}, kTap[4] = {1, 1, 0, 0};
  Phases phases;
  phases.rows[0] = {AxisRule::Kind::doubled, 2 * s.h, s.h, 1, 0, PadMode::zero};
  phases.columns[0] = {AxisRule::Kind::doubled, 2 * s.w, s.w, 1, 0, PadMode::zero};
  phases.first_tap[1] = 16;
  for (int row = 0; row < 4; ++row)
    for (int column = 0; column < 4; ++column) {
      const int phase = 2 * kParity[row] + kParity[column], tap = 2 * kTap[row] + kTap[column];
      phases.taps[4 * row + column] = {static_cast<short>(row), static_cast<short>(column),
                                       (phase * s.cout * 4 + tap) * s.cin};
    }
  return phases;
}

}  // namespace

void resize_forward(Stream& stream, const ConvShape& s, const float* x, const float* w, const Epilogue& epilogue,
                    float* y) {
  const ArenaScope scope(stream.scratch());
  Gemm gemm{};
  gemm.source = x;
  gemm.weights = sum_taps(stream, s, w).data;
  gemm.out = y;
  gemm.n = s.n;
  gemm.source_h = s.h;
  gemm.source_w = s.w;
  gemm.channels = s.cin;
  gemm.out_h = s.out_h();
  gemm.out_w = s.out_w();
  gemm.out_channels = s.cout;
  gemm.net_weights = std::int64_t{kPhases} * s.cout * 4 * s.cin;
  gemm.k_step = 1;
  gemm.n_step = 4 * s.cin;
  gemm.epilogue = epilogue;
  gemm.mode = WriteMode::overwrite;
  gemm.phases = window_phases_2x2(s);
  run_gemm(stream, gemm, s.nets, true);
}

void resize_backward_input(Stream& stream, const ConvShape& s, const float* dy, const float* w, WriteMode mode,
                           float* dx) {
  const ArenaScope scope(stream.scratch());
  Gemm gemm{};
  gemm.source = dy;
  gemm.weights = sum_taps(stream, s, w).data;
  gemm.out = dx;
  gemm.n = s.n;
  gemm.source_h = s.out_h();
  gemm.source_w = s.out_w();
  gemm.channels = s.cout;
  gemm.out_h = s.h;
  gemm.out_w = s.w;
  gemm.out_channels = s.cin;
  gemm.net_weights = std::int64_t{kPhases} * s.cout * 4 * s.cin;
  gemm.k_step = 4 * s.cin;
  gemm.n_step = 1;
  gemm.mode = mode;
  gemm.phases = doubled_phase(s);
  run_gemm(stream, gemm, s.nets, false);
}

void resize_backward_weight(Stream& stream, const ConvShape& s, const float* x, const float* dy, WriteMode mode,
                            float* dw) {
  const ArenaScope scope(stream.scratch());
  const View<float> gradient = stream.scratch().view<float>(phase_weights(s));
  WeightGradient problem{};
  problem.uses[0] = {x, dy, s.n};
  problem.dweights = gradient.data;
  problem.n = s.n;
  problem.image_h = s.h;
  problem.image_w = s.w;
  problem.channels = s.cin;
  problem.feature_h = s.out_h();
  problem.feature_w = s.out_w();
  problem.feature_count = s.cout;
  problem.net_weights = gradient.size() / s.nets;
  problem.feature_step = 4 * s.cin;
  problem.mode = WriteMode::overwrite;
  problem.phases = window_phases_2x2(s);
  run_weight_gradient(stream, problem, s.nets);
  for_each(stream, s.weight().size(), SpreadTaps{gradient.data, dw, s.cout, s.cin, mode});
}

}  // namespace clade::kernels::cuda
