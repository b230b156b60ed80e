// SPDX-License-Identifier: Apache-2.0
// The complete list of kernels. No include guard: kernels.h includes it once in the namespace of each backend.
//
// Activations are [nets, n, h, w, c], contiguous; a "net" is one of several networks of equal shape that share a call.
// Shapes are checked by the callers (engine/ops_*.cpp); a kernel may assume that they fit. Outputs never alias inputs
// unless the comment says so. Reductions run in a fixed order: the same input gives the same bits.

// ---- convolution (kernels/cpu/conv*.cpp) ----

/// y = activation(scale * conv(x, w) + bias) + residual. scale and bias [nets, cout] may be empty, the residual
/// [output], too.
void conv_forward(Stream& stream, const ConvShape& shape, View<const float> x, View<const float> w,
                  View<const float> scale, View<const float> bias, Activation activation, View<const float> residual,
                  View<float> y);

/// The way back through what conv_forward does behind conv, without a residual: dz = dy * activation'(z), read off
/// y = activation(z); dbias (=|+=) sum of dz over samples and pixels; dy = scale * dz, which the adjoints of conv take.
/// y and dy are [nets, n, h, w, c]; scale and dbias [nets, c] may be empty.
void epilogue_backward(Stream& stream, Activation activation, View<const float> scale, View<const float> y,
                       View<float> dy, WriteMode mode, View<float> dbias);

/// dx (=|+=) adjoint of conv in x, applied to dy [output].
void conv_backward_input(Stream& stream, const ConvShape& shape, View<const float> dy, View<const float> w,
                         WriteMode mode, View<float> dx);

/// dw (=|+=) sum over all uses of the weights of the adjoint of conv in w, applied to dy. shape.n is not looked at.
void conv_backward_weight(Stream& stream, const ConvShape& shape, std::span<const ConvUse> uses, WriteMode mode,
                          View<float> dw);

// ---- weight demodulation, Eq. 6 per output channel (kernels/cpu/demodulation.cpp) ----

/// scale [nets, channels] = 1 / sqrt(sum of w^2 over the channel + epsilon), sums in double.
void demodulation_scales(Stream& stream, OutputDimension dimension, float epsilon, View<const float> w,
                         View<float> scale);

/// Makes of dw, the gradient in w as if the scales were constants, the whole gradient: dw -= scale^2 w <dw, w>, the inner
/// product per output channel, in double.
void demodulation_backward(Stream& stream, OutputDimension dimension, View<const float> w, View<const float> scale,
                           View<float> dw);

// ---- normalisation and pointwise (kernels/cpu/norm.cpp, pointwise.cpp) ----

/// y = activation((x - mean) * rstd) with mean and biased variance over (h, w) of each sample and channel;
/// statistics [nets, n, c, 2] receives (mean, rstd). activation: none, relu or leaky_relu.
void instance_norm_forward(Stream& stream, float epsilon, Activation activation, View<const float> x, View<float> y,
                           View<float> statistics);
void instance_norm_backward(Stream& stream, Activation activation, View<const float> x, View<const float> statistics,
                            View<const float> dy, WriteMode mode, View<float> dx);

/// sum = a + b; it may be a or b.
void add(Stream& stream, View<const float> a, View<const float> b, View<float> sum);
void fill(Stream& stream, float value, View<float> x);
/// y (=|+=) factor * x.
void scale_into(Stream& stream, float factor, View<const float> x, WriteMode mode, View<float> y);

// ---- losses: `loss` and `dloss` are one float; sums in double (kernels/cpu/loss.cpp) ----

/// loss = mean |a - b|.
void l1_forward(Stream& stream, View<const float> a, View<const float> b, View<float> loss);
/// da (=|+=) dloss * sign(a - b) / size, sign(0) = 0.
void l1_backward(Stream& stream, View<const float> a, View<const float> b, View<const float> dloss, WriteMode mode,
                 View<float> da);

/// loss = mean over the logits of the adversarial loss against `label` (0 or 1).
void adversarial_forward(Stream& stream, AdversarialLoss kind, float label, View<const float> logits,
                         View<float> loss);
void adversarial_backward(Stream& stream, AdversarialLoss kind, float label, View<const float> logits,
                          View<const float> dloss, WriteMode mode, View<float> dlogits);

/// Gradient-map loss between images [nets, n, h, w, 1]: unnormalised 3x3 Sobel, reflect border.
void sobel_l1_forward(Stream& stream, GradientForm form, View<const float> r, View<const float> y, View<float> loss);
void sobel_l1_backward(Stream& stream, GradientForm form, View<const float> r, View<const float> y,
                       View<const float> dloss, WriteMode mode, View<float> dr);

// ---- update and monitors (kernels/cpu/update.cpp) ----

/// One Adam step, number control.step, on flat arrays of equal size: m, v, w are updated in place. Nothing happens
/// while control.finite is 0.
void adam(Stream& stream, const AdamParameters& parameters, View<const StepControl> control, View<const float> gradient,
          View<float> m, View<float> v, View<float> w);

/// The same for a block whose demodulated segments have scales: what demodulation_backward does, one Adam step on
/// (m, v, w), then the scales of the new w, in one pass. All blocks are laid out alike but for `scale`.
void update_demodulated(Stream& stream, const AdamParameters& parameters, float epsilon,
                        std::span<const ParameterSegment> segments, View<const StepControl> control,
                        View<const float> dw, View<float> m, View<float> v, View<float> w, View<float> scale);

/// Gradient clipping by the Euclidean norm (Pascanu et al. 2013), summed in double: gradient *= most / (norm + 1e-6) if the
/// norm is larger than `most`; the small term is PyTorch's.
void clip_norm(Stream& stream, float most, View<float> gradient);

/// Exponential moving average of weights: average += (1 - d) (w - average) with d = min(decay, (1 + t) / (10 + t)) after
/// t = control.step steps, so that the first weights are soon forgotten. Nothing once control.finite is cleared.
void average_weights(Stream& stream, float decay, View<const StepControl> control, View<const float> w,
                     View<float> average);

/// Writes the losses of a step to row control.row of log [rows, losses.count]. Finite losses advance control to the next
/// step and pair (by `batch`); others clear control.finite, after which nothing is written any more.
void finish_losses(Stream& stream, const ScalarList& losses, int batch, View<StepControl> control, View<float> log);

/// result[0] = mean over the samples of x [nets, n, h, w, c] of the standard deviation within a sample.
void mean_deviation(Stream& stream, View<const float> x, View<float> result);

// ---- training data (kernels/cpu/training_data.cpp) ----

/// x, y [batch, pixels] = pairs control.pair, ... of the data set data_x, data_y [pairs, pixels], counted round.
void take_pairs(Stream& stream, View<const StepControl> control, View<const float> data_x, View<const float> data_y,
                View<float> x, View<float> y);

/// shown [n, pixels] is what a discriminator sees in place of the fakes [n, pixels]: while the pool [capacity, pixels]
/// fills, image number i = control.step * n + sample is stored and shown; later it is shown as it is or exchanged for a
/// random stored one, with equal chance (Shrivastava et al. 2017). Images are taken in order.
void pool_exchange(Stream& stream, const PoolRule& rule, View<const StepControl> control, View<const float> fakes,
                   View<float> pool, View<float> shown);

// ---- patches (kernels/cpu/patches.cpp) ----

/// Cuts patches [rows * columns of each slice, size, size] out of slices [count, h, w], slice after slice.
void unfold(Stream& stream, const TilePositions& positions, View<const float> slices, View<float> patches);
/// The average of the patches that cover each pixel: gather form, patches added in index order.
void fold(Stream& stream, const TilePositions& positions, View<const float> patches, View<float> slices);
/// The standard deviation of the patches that cover each pixel, in place of their average, which fold left in `slices`:
/// the root of the mean squared distance from it. Exactly 0 where all are equal.
void fold_deviation(Stream& stream, const TilePositions& positions, View<const float> patches, View<float> slices);
