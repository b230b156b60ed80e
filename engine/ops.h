// SPDX-License-Identifier: Apache-2.0
// Every differentiable op. Images are [nets, n, h, w, c], weights [nets, d0, kh, kw, d1], losses have one element.
// Ops throw Error(internal) when shapes do not fit together.
#pragma once

#include <span>

#include "engine/tape.h"
#include "kernels/conv_shape.h"

namespace clade {

using kernels::Activation;
using kernels::ConvKind;
using kernels::OutputDimension;
using kernels::PadMode;

/// How a convolution walks over its input; extents come from the operands.
struct ConvGeometry {
  ConvKind kind = ConvKind::direct;
  int stride = 1;
  int pad = 1;
  PadMode pad_mode = PadMode::zero;
  int output_padding = 0;
};

/// activation(scale * conv(x, w) + bias) + residual; bias and scale [nets, cout]. The scale may be empty. It is a
/// constant here: where it is made of the weights, whoever made it completes their gradient
/// (models/demodulation_scales.h). The residual may be empty; it excludes an activation.
Var conv2d(Tape& tape, Var x, Var w, Var bias, const ConvGeometry& geometry, Activation activation,
           View<const float> scale = {}, Var residual = {});

/// activation(instance norm(x)), no affine part, eps 1e-5 (Ulyanov et al. 2016). activation: none, relu, leaky_relu.
Var instance_norm(Tape& tape, Var x, Activation activation);

/// a + b.
Var add(Tape& tape, Var a, Var b);

/// Samples [first, first + count) of one net as [1, count, h, w, c]; shares memory with x.
Var slice(Tape& tape, Var x, int net, int first, int count);

/// Concatenates parts, in order, into a value of `shape`; a copy.
Var stack(Tape& tape, std::span<const Var> parts, const Shape& shape);

/// mean |a - target|; the target gets no gradient.
Var l1_mean(Tape& tape, Var a, Var target);

/// Mean adversarial loss of logits against one label (1 real, 0 fake).
Var adversarial_mean(Tape& tape, Var logits, kernels::AdversarialLoss kind, float label);

/// Gradient-map loss between images and a target that gets no gradient.
Var sobel_l1_mean(Tape& tape, Var image, Var target, kernels::GradientForm form);

/// sum of weights[i] * terms[i], at most 8 scalar terms.
Var weighted_sum(Tape& tape, std::span<const Var> terms, std::span<const float> weights);

}  // namespace clade
