// SPDX-License-Identifier: Apache-2.0
// Gradient-map loss between images of a few thousand pixels. The operator is linear, so it is applied to the difference
// of the images; sums of few floats are exact enough in double that the sign of an error, hence the gradient, is that
// of the loss. The backward pass works the signs out again: 81 differences a pixel cost less than a second launch.
#include "kernels/cuda/mean.cuh"
#include "kernels/kernels.h"

namespace clade::kernels::cuda {

namespace {

struct Images {
  const float* r;
  const float* y;
  int h;
  int w;
  GradientForm form;

  __device__ static int reflected(int i, int extent) { return i < 0 ? -i : i >= extent ? 2 * (extent - 1) - i : i; }
  __device__ static int derivative(int tap) { return tap - 1; }
  __device__ static int smooth(int tap) { return tap == 1 ? 2 : 1; }

  /// Sobel gradient of r - y at a pixel; `image` is the offset of the image.
  __device__ void error(std::int64_t image, int row, int column, double& along_x, double& along_y) const {
    along_x = along_y = 0.0;
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 3; ++j) {
        const std::int64_t at = image + reflected(row + i - 1, h) * w + reflected(column + j - 1, w);
        const double difference = static_cast<double>(r[at]) - static_cast<double>(y[at]);
        along_x += smooth(i) * derivative(j) * difference;
        along_y += derivative(i) * smooth(j) * difference;
      }
  }
};

struct GradientError {
  Images images;
  __device__ double operator()(std::int64_t i) const {
    const int pixels = images.h * images.w, inside = static_cast<int>(i % pixels);
    double x, y;
    images.error(i - inside, inside / images.w, inside % images.w, x, y);
    return images.form == GradientForm::combined ? fabs(x + y) : fabs(x) + fabs(y);
  }
};

__device__ inline float sign(double value) { return value > 0.0 ? 1.0f : value < 0.0 ? -1.0f : 0.0f; }

struct GradientErrorGradient {
  Images images;
  const float* dloss;
  double size;
  WriteMode mode;
  float* dr;

  // Gathers from the windows that read the pixel, directly or by reflection at the border.
  __device__ void operator()(std::int64_t i) const {
    const int pixels = images.h * images.w, inside = static_cast<int>(i % pixels);
    const int row = inside / images.w, column = inside % images.w;
    float sum = 0.0f;
    for (int window_row = max(row - 1, 0); window_row <= min(row + 1, images.h - 1); ++window_row)
      for (int window_column = max(column - 1, 0); window_column <= min(column + 1, images.w - 1); ++window_column) {
        double x, y;
        images.error(i - inside, window_row, window_column, x, y);
        const bool combined = images.form == GradientForm::combined;
        const float sign_x = sign(combined ? x + y : x), sign_y = combined ? sign_x : sign(y);
        for (int a = 0; a < 3; ++a) {
          if (Images::reflected(window_row + a - 1, images.h) != row) continue;
          for (int b = 0; b < 3; ++b) {
            if (Images::reflected(window_column + b - 1, images.w) != column) continue;
            sum += static_cast<float>(Images::smooth(a) * Images::derivative(b)) * sign_x +
                   static_cast<float>(Images::derivative(a) * Images::smooth(b)) * sign_y;
          }
        }
      }
    write(mode, static_cast<float>(static_cast<double>(*dloss) / size) * sum, dr + i);
  }
};

Images make_images(GradientForm form, View<const float> r, View<const float> y) {
  return {r.data, y.data, static_cast<int>(r.shape[2]), static_cast<int>(r.shape[3]), form};
}

}  // namespace

void sobel_l1_forward(Stream& stream, GradientForm form, View<const float> r, View<const float> y, View<float> loss) {
  mean_of(stream, r.size(), GradientError{make_images(form, r, y)}, loss);
}

void sobel_l1_backward(Stream& stream, GradientForm form, View<const float> r, View<const float> y,
                       View<const float> dloss, WriteMode mode, View<float> dr) {
  for_each(stream, r.size(),
           GradientErrorGradient{make_images(form, r, y), dloss.data, static_cast<double>(r.size()), mode, dr.data});
}

}  // namespace clade::kernels::cuda
