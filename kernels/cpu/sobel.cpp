// SPDX-License-Identifier: Apache-2.0
// Gradient-map loss. The operator is linear, so it is applied to the difference of the images; sums of few floats are
// exact enough in double that the sign of an error, hence the gradient, is that of the loss.
#include <array>
#include <cmath>

#include "kernels/cpu/axis_map.h"
#include "kernels/cpu/loops.h"
#include "kernels/kernels.h"

namespace clade::kernels::cpu {

namespace {

// The kernel along x is kSmooth (rows) times kDerivative (columns), along y the other way round.
constexpr std::array<int, 3> kDerivative{-1, 0, 1};
constexpr std::array<int, 3> kSmooth{1, 2, 1};

struct Images {
  explicit Images(const Shape& shape)
      : count(shape[0] * shape[1]),
        h(static_cast<int>(shape[2])),
        w(static_cast<int>(shape[3])),
        rows(h, h, 3, 1, 1, PadMode::reflect),
        columns(w, w, 3, 1, 1, PadMode::reflect) {}
  std::int64_t row_count() const { return count * h; }
  double size() const { return static_cast<double>(count) * h * w; }

  std::int64_t count;
  int h, w;
  AxisMap rows, columns;
};

struct Gradient {
  double x = 0.0;
  double y = 0.0;
};

/// Sobel gradient of r - y at a pixel; `image` is the offset of the image.
Gradient gradient_error(const Images& images, View<const float> r, View<const float> y, std::int64_t image, int row,
                        int column) {
  Gradient error;
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) {
      const std::int64_t at = image + images.rows.source(row, i) * images.w + images.columns.source(column, j);
      const double difference = static_cast<double>(r[at]) - y[at];
      const auto ti = static_cast<std::size_t>(i), tj = static_cast<std::size_t>(j);
      error.x += kSmooth[ti] * kDerivative[tj] * difference;
      error.y += kDerivative[ti] * kSmooth[tj] * difference;
    }
  }
  return error;
}

float sign(double value) { return value > 0.0 ? 1.0f : value < 0.0 ? -1.0f : 0.0f; }

}  // namespace

void sobel_l1_forward(Stream& stream, GradientForm form, View<const float> r, View<const float> y, View<float> loss) {
  const Images images(r.shape);
  const double sum = sum_chunks(stream, images.row_count(), images.h, [&](std::int64_t begin, std::int64_t end) {
    double total = 0.0;
    for (std::int64_t line = begin; line < end; ++line)
      for (int column = 0; column < images.w; ++column) {
        const Gradient error = gradient_error(images, r, y, line / images.h * images.h * images.w,
                                              static_cast<int>(line % images.h), column);
        total += form == GradientForm::combined ? std::abs(error.x + error.y) : std::abs(error.x) + std::abs(error.y);
      }
    return total;
  });
  loss[0] = static_cast<float>(sum / images.size());
}

void sobel_l1_backward(Stream& stream, GradientForm form, View<const float> r, View<const float> y,
                       View<const float> dloss, WriteMode mode, View<float> dr) {
  const Images images(r.shape);
  const float step = static_cast<float>(dloss[0] / images.size());
  const ArenaScope scope(stream.scratch());
  const View<float> sign_x = stream.scratch().view<float>(r.shape);
  const View<float> sign_y = stream.scratch().view<float>(r.shape);
  stream.pool().parallel_for(images.row_count(), [&](std::int64_t line) {
    for (int column = 0; column < images.w; ++column) {
      const Gradient error = gradient_error(images, r, y, line / images.h * images.h * images.w,
                                            static_cast<int>(line % images.h), column);
      const std::int64_t at = line * images.w + column;
      const bool combined = form == GradientForm::combined;
      sign_x[at] = sign(combined ? error.x + error.y : error.x);
      sign_y[at] = combined ? sign_x[at] : sign(error.y);
    }
  });
  // Each pixel gathers from the windows that read it; the folded border is part of the readers.
  stream.pool().parallel_for(images.row_count(), [&](std::int64_t line) {
    const std::int64_t image = line / images.h * images.h * images.w;
    for (int column = 0; column < images.w; ++column) {
      float sum = 0.0f;
      for (const auto& vertical : images.rows.readers(static_cast<int>(line % images.h)))
        for (const auto& horizontal : images.columns.readers(column)) {
          const std::int64_t at = image + vertical.window * images.w + horizontal.window;
          const auto i = static_cast<std::size_t>(vertical.tap), j = static_cast<std::size_t>(horizontal.tap);
          sum += static_cast<float>(kSmooth[i] * kDerivative[j]) * sign_x[at] +
                 static_cast<float>(kDerivative[i] * kSmooth[j]) * sign_y[at];
        }
      write(mode, step * sum, dr[line * images.w + column]);
    }
  });
}

}  // namespace clade::kernels::cpu
