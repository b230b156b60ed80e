// SPDX-License-Identifier: Apache-2.0
#include "tools/upright_slice.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace clade {

namespace {

constexpr double kInsetHeight = 0.5;  // of the inset, as a share of its width
constexpr double kDetail = 0.03;      // of the grey window: a step from pixel to pixel that is detail
constexpr double kAir = 0.1;          // of the grey window: below it there is no tissue

double dot(const Vector3& a, const Vector3& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

// World axis (0 left-right, 1 posterior-anterior, 2 inferior-superior) of a voxel axis.
int world_axis(const Geometry& geometry, int axis) {
  switch (plane_across(geometry, axis)) {
    case Plane::sagittal:
      return 0;
    case Plane::coronal:
      return 1;
    default:
      return 2;
  }
}

// Sums over boxes of a picture.
class BoxSums {
 public:
  // value(row, column) for every pixel.
  template <class Value>
  BoxSums(int width, int height, const Value& value)
      : stride_(width + 1), table_(static_cast<std::size_t>((width + 1) * (height + 1))) {
    for (int row = 0; row < height; ++row)
      for (int column = 0; column < width; ++column)
        at(row + 1, column + 1) = value(row, column) + at(row, column + 1) + at(row + 1, column) - at(row, column);
  }
  double operator()(int row, int column, int width, int height) {
    return at(row + height, column + width) - at(row, column + width) - at(row + height, column) + at(row, column);
  }

 private:
  double& at(int row, int column) { return table_[static_cast<std::size_t>(row * stride_ + column)]; }

  int stride_;
  std::vector<double> table_;
};

}  // namespace

std::vector<std::int64_t> foreground_of_slices(const Volume& volume, int axis, double threshold) {
  const int size = volume.geometry.size[static_cast<std::size_t>(axis)];
  std::vector<std::int64_t> foreground(static_cast<std::size_t>(size));
  const std::int64_t stride = volume.geometry.stride(axis);
  for (std::int64_t i = 0; i < volume.geometry.voxel_count(); ++i)
    if (static_cast<double>(volume.voxels[static_cast<std::size_t>(i)]) > threshold)
      ++foreground[static_cast<std::size_t>((i / stride) % size)];
  return foreground;
}

UprightSlice upright_slice(const Geometry& geometry, int across, int index) {
  int a = across == 0 ? 1 : 0;
  int b = 3 - across - a;
  if (world_axis(geometry, a) > world_axis(geometry, b)) std::swap(a, b);
  // Now b runs vertically, and a along left-right or posterior-anterior.
  const int horizontal = world_axis(geometry, a);
  const int vertical = world_axis(geometry, b);
  const auto column = [&](int axis, int world) {
    return geometry.affine[static_cast<std::size_t>(world)][static_cast<std::size_t>(axis)];
  };
  const bool a_forward = horizontal == 0 ? column(a, 0) < 0 : column(a, 1) < 0;
  const bool b_forward = column(b, vertical) < 0;

  std::array<double, 3> corner{};
  const auto start = [&](int axis, bool forward) {
    const int size = geometry.size[static_cast<std::size_t>(axis)];
    corner[static_cast<std::size_t>(axis)] = forward ? -0.5 : size - 0.5;
  };
  corner[static_cast<std::size_t>(across)] = index;
  start(a, a_forward);
  start(b, b_forward);

  UprightSlice slice;
  slice.plane = plane_across(geometry, across);
  slice.origin = geometry.world(corner);
  const auto direction = [&](int axis, bool forward, std::array<double, 3>& out, double& extent) {
    double length = 0;
    for (int world = 0; world < 3; ++world) length += column(axis, world) * column(axis, world);
    length = std::sqrt(length);
    for (int world = 0; world < 3; ++world)
      out[static_cast<std::size_t>(world)] = (forward ? 1.0 : -1.0) * column(axis, world) / length;
    extent = length * geometry.size[static_cast<std::size_t>(axis)];
  };
  direction(a, a_forward, slice.right, slice.width);
  direction(b, b_forward, slice.down, slice.height);
  return slice;
}

SampledSlice sample_slice(const WorldSampler& volume, const UprightSlice& slice, double x, double y, double width,
                          double height, double scale, int subsamples, double outside) {
  SampledSlice result;
  result.width = std::max(1, static_cast<int>(std::lround(width * scale)));
  result.height = std::max(1, static_cast<int>(std::lround(height * scale)));
  result.values.reserve(static_cast<std::size_t>(result.width) * static_cast<std::size_t>(result.height));
  const double step = 1.0 / (scale * subsamples);
  for (int row = 0; row < result.height; ++row)
    for (int column = 0; column < result.width; ++column) {
      double sum = 0;
      for (int sy = 0; sy < subsamples; ++sy)
        for (int sx = 0; sx < subsamples; ++sx) {
          const double right = x + (column * subsamples + sx + 0.5) * step;
          const double down = y + (row * subsamples + sy + 0.5) * step;
          sum += volume(slice.origin + right * slice.right + down * slice.down, outside);
        }
      result.values.push_back(sum / (subsamples * subsamples));
    }
  return result;
}

void place_inset(UprightSlice& slice, const WorldSampler& volume, const Vector3& slice_axis, double low, double high,
                 int magnification) {
  const bool detail_is_vertical = std::abs(dot(slice.down, slice_axis)) > std::abs(dot(slice.right, slice_axis));
  slice.inset_width = slice.width / magnification;
  slice.inset_height = std::min(slice.inset_width * kInsetHeight, slice.height);
  // Steps count up to a part of the range only, and boxes full of tissue and near the middle are preferred: the bright
  // border between scalp and air must not outweigh what is inside.
  constexpr double kSamples = 160;  // across the picture: enough to find a region
  const double scale = kSamples / slice.width;
  const SampledSlice coarse = sample_slice(volume, slice, 0, 0, slice.width, slice.height, scale, 1, low);
  const int box_width = std::max(1, static_cast<int>(slice.inset_width * scale));
  const int box_height = std::max(1, static_cast<int>(slice.inset_height * scale));

  const int w = coarse.width, h = coarse.height;
  const auto value = [&](int row, int column) { return coarse.values[static_cast<std::size_t>(row * w + column)]; };
  BoxSums detail(w, h, [&](int row, int column) {
    const int next_row = detail_is_vertical ? std::min(row + 1, h - 1) : row;
    const int next_column = detail_is_vertical ? column : std::min(column + 1, w - 1);
    return std::min(std::abs(value(next_row, next_column) - value(row, column)), kDetail * (high - low));
  });
  BoxSums tissue(w, h, [&](int row, int column) { return value(row, column) > low + kAir * (high - low) ? 1.0 : 0.0; });
  double best = -1;
  for (int row = 0; row + box_height <= h; ++row)
    for (int column = 0; column + box_width <= w; ++column) {
      const double share = tissue(row, column, box_width, box_height) / (box_width * box_height);
      const double middle = std::sin(std::numbers::pi * (row + 0.5 * box_height) / h) *
                            std::sin(std::numbers::pi * (column + 0.5 * box_width) / w);
      const double score = detail(row, column, box_width, box_height) * std::pow(share, 6) * middle;
      if (score <= best) continue;
      best = score;
      slice.inset_x = std::min(column / scale, slice.width - slice.inset_width);
      slice.inset_y = std::min(row / scale, slice.height - slice.inset_height);
    }
}

GreyImage to_grey(const SampledSlice& sampled, double low, double high) {
  GreyImage image{sampled.width, sampled.height, {}};
  image.pixels.reserve(sampled.values.size());
  for (double value : sampled.values)
    image.pixels.push_back(
        static_cast<std::uint8_t>(std::lround(255.0 * std::clamp((value - low) / (high - low), 0.0, 1.0))));
  return image;
}

}  // namespace clade
