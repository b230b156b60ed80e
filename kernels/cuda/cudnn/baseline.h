// SPDX-License-Identifier: Apache-2.0
// Convolutions by cuDNN and matrix products by cuBLAS: a second opinion in tests and what benchmarks compare with.
// Nothing else uses them.
#pragma once

#include <memory>

#include "core/stream.h"
#include "kernels/conv_shape.h"

namespace clade::kernels::cudnn {

/// Whether the libraries can be loaded on this machine.
bool has_cudnn();
bool has_cublas();

enum class Pass { forward, backward_input, backward_weight };

/// The direct convolution with zero padding that does the same arithmetic on an image that was upsampled and padded
/// beforehand; `shape` itself where its padding is zero.
ConvShape padded_equivalent(const ConvShape& shape);

/// One pass of a direct or transposed convolution with zero padding, without bias and activation, in the stream's
/// precision. Nets are done one after the other. Throws Error(device) where cuDNN reports a failure or has no engine.
class Convolution {
 public:
  /// Times the engines that cuDNN's heuristics suggest and keeps the fastest. Not while the stream is being captured.
  Convolution(Stream& stream, const ConvShape& shape, Pass pass);
  ~Convolution();

  /// forward: x, w to y. backward_input: dy, w to dx. backward_weight: x, dy to dw. The output is overwritten.
  void run(View<const float> first, View<const float> second, View<float> output);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// c [m, n] = a [m, k] b [k, n] in the stream's precision.
class MatrixProduct {
 public:
  explicit MatrixProduct(Stream& stream);
  ~MatrixProduct();

  void run(View<const float> a, View<const float> b, View<float> c);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace clade::kernels::cudnn
