// SPDX-License-Identifier: Apache-2.0
#include "metrics/reference.h"

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "core/error.h"
#include "metrics/slice_image.h"

namespace clade {

namespace {

constexpr int kRadius = 5;
constexpr int kWindow = 2 * kRadius + 1;
constexpr double kWindowSigma = 1.5;
constexpr double kK1 = 0.01;
constexpr double kK2 = 0.03;

void check_pair(const Volume& volume, const Volume& reference) {
  CLADE_CHECK(volume.geometry.size == reference.geometry.size, ErrorCode::input, "a volume of ",
              volume.geometry.size[0], " x ", volume.geometry.size[1], " x ", volume.geometry.size[2],
              " voxels and a reference of ", reference.geometry.size[0], " x ", reference.geometry.size[1], " x ",
              reference.geometry.size[2]);
}

void check_range(double range) { CLADE_CHECK(range > 0.0, ErrorCode::usage, "intensity range ", range); }

// Weighted means in all windows inside a picture: [rows - 10, columns - 10].
std::vector<double> window_means(const std::vector<double>& pixels, int rows, int columns) {
  std::array<double, kWindow> weights{};
  double sum = 0.0;
  for (int i = 0; i < kWindow; ++i)
    sum += weights[static_cast<std::size_t>(i)] =
        std::exp(-(i - kRadius) * (i - kRadius) / (2.0 * kWindowSigma * kWindowSigma));
  for (double& weight : weights) weight /= sum;
  const int out_rows = rows - kWindow + 1, out_columns = columns - kWindow + 1;
  std::vector<double> across(static_cast<std::size_t>(rows) * out_columns),
      out(static_cast<std::size_t>(out_rows) * out_columns);
  for (int row = 0; row < rows; ++row)
    for (int i = 0; i < kWindow; ++i) {
      const double* in = pixels.data() + static_cast<std::size_t>(row) * columns + i;
      double* line = across.data() + static_cast<std::size_t>(row) * out_columns;
      for (int column = 0; column < out_columns; ++column)
        line[column] += weights[static_cast<std::size_t>(i)] * in[column];
    }
  for (int row = 0; row < out_rows; ++row)
    for (int i = 0; i < kWindow; ++i) {
      const double* in = across.data() + static_cast<std::size_t>(row + i) * out_columns;
      double* line = out.data() + static_cast<std::size_t>(row) * out_columns;
      for (int column = 0; column < out_columns; ++column)
        line[column] += weights[static_cast<std::size_t>(i)] * in[column];
    }
  return out;
}

std::vector<double> product(const std::vector<float>& a, const std::vector<float>& b) {
  std::vector<double> result(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) result[i] = static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return result;
}

struct Mean {
  double sum = 0.0;
  double count = 0.0;
};

// Structural similarity summed over the windows whose middle `counts`; no picture of that: over all.
Mean ssim_of_slice(const SliceImage& a, const SliceImage& b, const SliceImage& counts, double range) {
  const int rows = a.rows, columns = a.columns;
  const double c1 = (kK1 * range) * (kK1 * range), c2 = (kK2 * range) * (kK2 * range);
  const auto means = [&](const std::vector<double>& pixels) { return window_means(pixels, rows, columns); };
  const std::vector<double> mean_a = means({a.pixels.begin(), a.pixels.end()});
  const std::vector<double> mean_b = means({b.pixels.begin(), b.pixels.end()});
  const std::vector<double> aa = means(product(a.pixels, a.pixels)), bb = means(product(b.pixels, b.pixels)),
                            ab = means(product(a.pixels, b.pixels));
  Mean mean;
  const int out_columns = columns - kWindow + 1;
  for (std::size_t i = 0; i < ab.size(); ++i) {
    const auto row = static_cast<int>(i) / out_columns, column = static_cast<int>(i) % out_columns;
    if (!counts.pixels.empty() &&
        counts.pixels[static_cast<std::size_t>(row + kRadius) * columns + column + kRadius] == 0.0f)
      continue;
    const double product_of_means = mean_a[i] * mean_b[i];
    const double squares_of_means = mean_a[i] * mean_a[i] + mean_b[i] * mean_b[i];
    mean.sum += (2.0 * product_of_means + c1) * (2.0 * (ab[i] - product_of_means) + c2) /
                ((squares_of_means + c1) * (aa[i] + bb[i] - squares_of_means + c2));
    mean.count += 1.0;
  }
  return mean;
}

bool on_border(const Geometry& geometry, std::int64_t voxel) {
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const std::int64_t position = voxel / geometry.stride(static_cast<int>(axis)) % geometry.size[axis];
    if (position == 0 || position == geometry.size[axis] - 1) return true;
  }
  return false;
}

}  // namespace

double psnr(const Volume& volume, const Volume& reference, double range, const Region& region) {
  check_pair(volume, reference);
  check_range(range);
  double squares = 0.0;
  for_each_voxel(reference.geometry, region, [&](std::int64_t voxel) {
    const auto i = static_cast<std::size_t>(voxel);
    const double difference = static_cast<double>(volume.voxels[i]) - static_cast<double>(reference.voxels[i]);
    squares += difference * difference;
  });
  if (squares == 0.0) return std::numeric_limits<double>::infinity();
  const auto count =
      static_cast<double>(region.empty() ? reference.geometry.voxel_count() : static_cast<std::int64_t>(region.size()));
  return 10.0 * std::log10(range * range / (squares / count));
}

double ssim(const Volume& volume, const Volume& reference, Plane plane, double range, const Region& region,
            ThreadPool& pool) {
  check_pair(volume, reference);
  check_range(range);
  const SliceCutter cutter(volume.geometry, plane);
  const SliceImage first = cutter.cut(volume.voxels, 0);
  CLADE_CHECK(first.rows >= kWindow && first.columns >= kWindow, ErrorCode::input, plane_name(plane), " slices of ",
              first.rows, " x ", first.columns, " pixels, SSIM needs ", kWindow, " x ", kWindow);
  std::vector<float> inside(region.empty() ? 0 : volume.voxels.size(), 0.0f);
  for (std::int64_t voxel : region) inside[static_cast<std::size_t>(voxel)] = 1.0f;
  std::vector<Mean> slices(static_cast<std::size_t>(cutter.count()));
  pool.parallel_for(cutter.count(), [&](std::int64_t i) {
    const int index = static_cast<int>(i);
    slices[static_cast<std::size_t>(i)] =
        ssim_of_slice(cutter.cut(volume.voxels, index), cutter.cut(reference.voxels, index),
                      inside.empty() ? SliceImage{} : cutter.cut(inside, index), range);
  });
  Mean all;
  for (const Mean& slice : slices) {
    all.sum += slice.sum;
    all.count += slice.count;
  }
  CLADE_CHECK(all.count > 0.0, ErrorCode::input, "the region has no voxel that a window of SSIM fits around");
  return all.sum / all.count;
}

GradientError gradient_error(const Volume& volume, const Volume& reference, int slice_axis, const Region& region) {
  check_pair(volume, reference);
  const Geometry& geometry = reference.geometry;
  struct Axis {
    std::int64_t stride;
    double scale;  // of a difference over two voxels, 1/mm
    bool is_slice;
  };
  std::array<Axis, 3> axes;
  for (int axis = 0; axis < 3; ++axis) {
    const auto a = static_cast<std::size_t>(axis);
    axes[a] = {geometry.stride(axis), 0.5 / geometry.spacing[a], axis == slice_axis};
  }
  double total = 0.0, through = 0.0, reference_total = 0.0, reference_through = 0.0;
  for_each_voxel(geometry, region, [&](std::int64_t voxel) {
    if (on_border(geometry, voxel)) return;
    const auto step = [&](const Volume& v, const Axis& axis) {
      const float* here = v.voxels.data() + voxel;
      return static_cast<double>(here[axis.stride]) - static_cast<double>(here[-axis.stride]);
    };
    double difference_squares = 0.0, squares = 0.0;
    std::array<double, 2> along{};
    for (const Axis& axis : axes) {
      const double right = step(reference, axis) * axis.scale;
      const double difference = (step(volume, axis) - step(reference, axis)) * axis.scale;
      squares += right * right;
      difference_squares += difference * difference;
      if (axis.is_slice) along = {std::abs(difference), std::abs(right)};
    }
    total += std::sqrt(difference_squares);
    reference_total += std::sqrt(squares);
    through += along[0];
    reference_through += along[1];
  });
  CLADE_CHECK(reference_total > 0.0 && reference_through > 0.0, ErrorCode::input,
              "the reference has no gradient there");
  return {total / reference_total, through / reference_through};
}

}  // namespace clade
