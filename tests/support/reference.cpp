// SPDX-License-Identifier: Apache-2.0
#include "tests/support/reference.h"

#include <cmath>

namespace clade::test {

using kernels::Activation;
using kernels::ConvKind;
using kernels::ConvShape;
using kernels::PadMode;

namespace {

/// The pixel that position i reads; written apart from the library's own function on purpose. -1 is a zero.
int border(int i, int extent, PadMode mode) {
  while (mode == PadMode::reflect && (i < 0 || i >= extent)) i = i < 0 ? -i : 2 * extent - 2 - i;
  if (mode == PadMode::replicate) i = std::max(0, std::min(extent - 1, i));
  return i >= 0 && i < extent ? i : -1;
}

/// Calls body(x index, w index, y index) for every product that a convolution consists of. All three directions are
/// sums of such products: of x and w into y, of y and w into x, of x and y into w.
template <class Body>
void for_each_product(const ConvShape& s, const Body& body) {
  const int out_h = s.out_h(), out_w = s.out_w();
  const auto x_index = [&](int image, int row, int column, int c) {
    return ((static_cast<std::size_t>(image) * s.h + row) * s.w + column) * s.cin + c;
  };
  const auto y_index = [&](int image, int row, int column, int c) {
    return ((static_cast<std::size_t>(image) * out_h + row) * out_w + column) * s.cout + c;
  };
  for (int image = 0; image < s.nets * s.n; ++image) {
    const int net = image / s.n;
    // Windows slide over the input, over the output (transposed), or over the input seen twice as large (resize).
    const bool transposed = s.kind == ConvKind::transposed, resize = s.kind == ConvKind::resize;
    const int grid_h = transposed ? s.h : out_h, grid_w = transposed ? s.w : out_w;
    const int image_h = transposed ? out_h : resize ? 2 * s.h : s.h;
    const int image_w = transposed ? out_w : resize ? 2 * s.w : s.w;
    const int stride = resize ? 1 : s.stride, pad = resize ? 1 : s.pad;
    const PadMode mode = transposed ? PadMode::zero : resize ? PadMode::reflect : s.pad_mode;
    for (int i = 0; i < grid_h; ++i)
      for (int j = 0; j < grid_w; ++j)
        for (int ki = 0; ki < s.k; ++ki)
          for (int kj = 0; kj < s.k; ++kj) {
            const int row = border(i * stride - pad + ki, image_h, mode);
            const int column = border(j * stride - pad + kj, image_w, mode);
            if (row < 0 || column < 0) continue;
            for (int ci = 0; ci < s.cin; ++ci)
              for (int co = 0; co < s.cout; ++co) {
                const int d0 = transposed ? ci : co, d0_size = transposed ? s.cin : s.cout;
                const int d1 = transposed ? co : ci, d1_size = transposed ? s.cout : s.cin;
                const std::size_t w =
                    (((static_cast<std::size_t>(net) * d0_size + d0) * s.k + ki) * s.k + kj) * d1_size + d1;
                if (transposed) {
                  body(x_index(image, i, j, ci), w, y_index(image, row, column, co));
                } else if (resize) {
                  body(x_index(image, row / 2, column / 2, ci), w, y_index(image, i, j, co));
                } else {
                  body(x_index(image, row, column, ci), w, y_index(image, i, j, co));
                }
              }
          }
  }
}

Doubles zeros(const Shape& shape) { return Doubles(static_cast<std::size_t>(shape.size())); }

}  // namespace

double reference_activation(Activation activation, double z) {
  switch (activation) {
    case Activation::relu:
      return std::max(z, 0.0);
    case Activation::leaky_relu:
      return z > 0.0 ? z : 0.2 * z;
    case Activation::tanh:
      return std::tanh(z);
    case Activation::none:
      break;
  }
  return z;
}

double reference_activation_slope(Activation activation, double z) {
  switch (activation) {
    case Activation::relu:
      return z > 0.0 ? 1.0 : 0.0;
    case Activation::leaky_relu:
      return z > 0.0 ? 1.0 : 0.2;
    case Activation::tanh:
      return 1.0 - std::tanh(z) * std::tanh(z);
    case Activation::none:
      break;
  }
  return 1.0;
}

Doubles reference_conv_forward(const ConvShape& shape, const Floats& x, const Floats& w, const Floats& bias,
                               Activation activation) {
  Doubles y = zeros(shape.output());
  for_each_product(
      shape, [&](std::size_t xi, std::size_t wi, std::size_t yi) { y[yi] += static_cast<double>(x[xi]) * w[wi]; });
  const std::size_t cout = static_cast<std::size_t>(shape.cout), per_net = y.size() / shape.nets;
  for (std::size_t i = 0; i < y.size(); ++i) {
    if (!bias.empty()) y[i] += bias[i / per_net * cout + i % cout];
    y[i] = reference_activation(activation, y[i]);
  }
  return y;
}

Doubles reference_conv_backward_input(const ConvShape& shape, const Floats& dy, const Floats& w) {
  Doubles dx = zeros(shape.input());
  for_each_product(
      shape, [&](std::size_t xi, std::size_t wi, std::size_t yi) { dx[xi] += static_cast<double>(dy[yi]) * w[wi]; });
  return dx;
}

Doubles reference_conv_backward_weight(const ConvShape& shape, const Floats& x, const Floats& dy) {
  Doubles dw = zeros(shape.weight());
  for_each_product(
      shape, [&](std::size_t xi, std::size_t wi, std::size_t yi) { dw[wi] += static_cast<double>(x[xi]) * dy[yi]; });
  return dw;
}

Doubles reference_instance_norm(double epsilon, Activation activation, const Floats& x, int count, int pixels,
                                int channels) {
  Doubles y(x.size());
  for (int sample = 0; sample < count; ++sample)
    for (int c = 0; c < channels; ++c) {
      const auto at = [&](int p) { return static_cast<std::size_t>((sample * pixels + p) * channels + c); };
      double mean = 0.0, variance = 0.0;
      for (int p = 0; p < pixels; ++p) mean += x[at(p)];
      mean /= pixels;
      for (int p = 0; p < pixels; ++p) variance += (x[at(p)] - mean) * (x[at(p)] - mean);
      variance /= pixels;
      for (int p = 0; p < pixels; ++p)
        y[at(p)] = reference_activation(activation, (x[at(p)] - mean) / std::sqrt(variance + epsilon));
    }
  return y;
}

SobelMaps reference_sobel(const Doubles& images, int count, int h, int w) {
  constexpr double kx[3][3] = {{-1, 0, 1}, {-2, 0, 2}, {-1, 0, 1}};
  SobelMaps maps{Doubles(images.size()), Doubles(images.size())};
  for (int image = 0; image < count; ++image)
    for (int i = 0; i < h; ++i)
      for (int j = 0; j < w; ++j) {
        const std::size_t out = static_cast<std::size_t>((image * h + i) * w + j);
        for (int a = 0; a < 3; ++a)
          for (int b = 0; b < 3; ++b) {
            const int row = border(i + a - 1, h, PadMode::reflect), column = border(j + b - 1, w, PadMode::reflect);
            const double value = images[static_cast<std::size_t>((image * h + row) * w + column)];
            maps.x[out] += kx[a][b] * value;
            maps.y[out] += kx[b][a] * value;
          }
      }
  return maps;
}

double reference_sobel_l1(kernels::GradientForm form, const Doubles& r, const Doubles& y, int count, int h, int w) {
  const SobelMaps maps_r = reference_sobel(r, count, h, w), maps_y = reference_sobel(y, count, h, w);
  double sum = 0.0;
  for (std::size_t i = 0; i < r.size(); ++i) {
    const double ex = maps_r.x[i] - maps_y.x[i], ey = maps_r.y[i] - maps_y.y[i];
    sum += form == kernels::GradientForm::combined ? std::abs(ex + ey) : std::abs(ex) + std::abs(ey);
  }
  return sum / static_cast<double>(r.size());
}

}  // namespace clade::test
