// SPDX-License-Identifier: Apache-2.0
#include "tools/preview.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "tools/font.h"
#include "tools/sampling.h"

namespace clade {

namespace {

constexpr int kTotalWidth = 1400;  // pixels
constexpr int kGap = 8;            // pixels between pictures
constexpr int kTitleDot = 3;       // pixels per dot of the column titles
constexpr int kTitleHeight = text_height(kTitleDot) + 2 * kGap;
constexpr int kMagnification = 3;      // of the inset against the picture
constexpr double kInsetHeight = 0.5;   // of the inset, as a share of its width
constexpr double kForeground = 0.075;  // of the grey window: what is darker is air
constexpr double kDetail = 0.03;       // of the grey window: a step from pixel to pixel that is detail
constexpr double kAir = 0.1;           // of the grey window: below it there is no tissue
constexpr int kLabelDot = 2;           // of the names of the planes
constexpr std::uint8_t kBackground = 0;
constexpr std::uint8_t kTextGrey = 220;
constexpr std::uint8_t kFrameGrey = 255;
constexpr int kMostSubsamples = 4;  // per pixel and direction, when the picture is coarser than the volume

double dot(const Vector3& a, const Vector3& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

double percentile(std::vector<float>& values, double percent) {
  const auto rank =
      values.begin() + static_cast<std::ptrdiff_t>(percent / 100.0 * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), rank, values.end());
  return static_cast<double>(*rank);
}

// The slice across `axis` with most foreground, in the middle half of the volume.
int best_slice(const Volume& volume, int axis, double threshold) {
  const int size = volume.geometry.size[static_cast<std::size_t>(axis)];
  std::vector<std::int64_t> foreground(static_cast<std::size_t>(size));
  const std::int64_t stride = volume.geometry.stride(axis);
  for (std::int64_t i = 0; i < volume.geometry.voxel_count(); ++i)
    if (static_cast<double>(volume.voxels[static_cast<std::size_t>(i)]) > threshold)
      ++foreground[static_cast<std::size_t>((i / stride) % size)];
  int best = size / 2;
  for (int slice = size / 4; slice <= (3 * size) / 4 && slice < size; ++slice)
    if (foreground[static_cast<std::size_t>(slice)] > foreground[static_cast<std::size_t>(best)]) best = slice;
  return best;
}

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

// The slice `index` across `across`, upright. Up is superior where the plane has it, else anterior; left is the
// patient's right, or anterior where the plane has no left and right.
PreviewSlice upright_slice(const Geometry& geometry, int across, int index) {
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

  PreviewSlice slice;
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

// A rectangle of a slice in floating-point values.
struct Sampled {
  int width = 0;
  int height = 0;
  std::vector<double> values;
};

// [x, x + width) by [y, y + height) mm of the slice at `scale` pixels per mm.
Sampled sample(const WorldSampler& volume, const PreviewSlice& slice, double x, double y, double width, double height,
               double scale, int subsamples, double outside) {
  Sampled result;
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

// Puts the inset where the slice has most detail along the slice axis of the volume, which is vertical in the picture
// or not. Steps count up to a part of the range only, and boxes full of tissue and near the middle are preferred: the
// bright border between scalp and air must not outweigh what is inside.
void place_inset(PreviewSlice& slice, const WorldSampler& volume, bool detail_is_vertical, double low, double high) {
  slice.inset_width = slice.width / kMagnification;
  slice.inset_height = std::min(slice.inset_width * kInsetHeight, slice.height);
  constexpr double kSamples = 160;  // across the picture: enough to find a region
  const double scale = kSamples / slice.width;
  const Sampled coarse = sample(volume, slice, 0, 0, slice.width, slice.height, scale, 1, low);
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

GreyImage to_grey(const Sampled& sampled, double low, double high) {
  GreyImage image{sampled.width, sampled.height, {}};
  image.pixels.reserve(sampled.values.size());
  for (double value : sampled.values)
    image.pixels.push_back(
        static_cast<std::uint8_t>(std::lround(255.0 * std::clamp((value - low) / (high - low), 0.0, 1.0))));
  return image;
}

void paste(GreyImage& canvas, const GreyImage& image, int x, int y) {
  for (int row = 0; row < image.height; ++row)
    std::copy_n(image.pixels.begin() + row * image.width, image.width,
                canvas.pixels.begin() + (y + row) * canvas.width + x);
}

void draw_frame(GreyImage& canvas, int x, int y, int width, int height) {
  const auto set = [&](int column, int row) {
    if (column >= 0 && column < canvas.width && row >= 0 && row < canvas.height)
      canvas.pixels[static_cast<std::size_t>(row * canvas.width + column)] = kFrameGrey;
  };
  for (int column = x; column < x + width; ++column) {
    set(column, y);
    set(column, y + height - 1);
  }
  for (int row = y; row < y + height; ++row) {
    set(x, row);
    set(x + width - 1, row);
  }
}

std::string plane_label(Plane plane) {
  std::string label = plane_name(plane);
  for (char& letter : label) letter = static_cast<char>(letter - 'a' + 'A');
  return label;
}

}  // namespace

Preview::Preview(const Volume& interpolated, const PlaneAxes& axes, int columns) {
  {
    std::vector<float> values = interpolated.voxels;
    low_ = percentile(values, 1.0);
    high_ = percentile(values, 99.5);
    if (!(high_ > low_)) high_ = low_ + 1;
  }
  const WorldSampler sampler(interpolated);
  const double air = low_ + kForeground * (high_ - low_);
  column_width_ = (kTotalWidth - (columns + 1) * kGap) / columns;
  scale_ = std::numeric_limits<double>::max();
  const int across[2] = {axes.normal, axes.shared};
  for (std::size_t i = 0; i < 2; ++i) {
    PreviewSlice& slice = slices_[i];
    slice = upright_slice(interpolated.geometry, across[i], best_slice(interpolated, across[i], air));
    Vector3 slice_axis;
    for (std::size_t world = 0; world < 3; ++world)
      slice_axis[world] = interpolated.geometry.affine[world][static_cast<std::size_t>(axes.slice)];
    const bool detail_is_vertical = std::abs(dot(slice.down, slice_axis)) > std::abs(dot(slice.right, slice_axis));
    place_inset(slice, sampler, detail_is_vertical, low_, high_);
    // One scale for both slices; tall ones must not make the picture endless.
    scale_ = std::min({scale_, column_width_ / slice.width, 1.1 * column_width_ / slice.height});
  }
}

void Preview::add_column(std::string title, const Volume& volume) {
  const WorldSampler sampler(volume);
  const Geometry& geometry = volume.geometry;
  const double finest = *std::min_element(geometry.spacing.begin(), geometry.spacing.end());
  const int subsamples = std::clamp(static_cast<int>(std::ceil(1.0 / (scale_ * finest) - 0.01)), 1, kMostSubsamples);
  Column column;
  column.title = std::move(title);
  for (std::size_t i = 0; i < 2; ++i) {
    const PreviewSlice& s = slices_[i];
    column.pictures[i] = to_grey(sample(sampler, s, 0, 0, s.width, s.height, scale_, subsamples, low_), low_, high_);
    column.insets[i] = to_grey(
        sample(sampler, s, s.inset_x, s.inset_y, s.inset_width, s.inset_height, scale_ * kMagnification, 1, low_), low_,
        high_);
  }
  columns_.push_back(std::move(column));
}

GreyImage Preview::render() const {
  GreyImage canvas;
  canvas.width = kTotalWidth;
  canvas.height = kTitleHeight;
  const Column& first = columns_.front();
  for (std::size_t i = 0; i < 2; ++i) canvas.height += first.pictures[i].height + first.insets[i].height + 3 * kGap;
  canvas.pixels.assign(static_cast<std::size_t>(canvas.width) * static_cast<std::size_t>(canvas.height), kBackground);

  for (std::size_t c = 0; c < columns_.size(); ++c) {
    const Column& column = columns_[c];
    const int left = kGap + static_cast<int>(c) * (column_width_ + kGap);
    draw_text(canvas, left + (column_width_ - text_width(column.title, kTitleDot)) / 2, kGap, column.title, kTitleDot,
              kTextGrey);
    int top = kTitleHeight;
    for (std::size_t i = 0; i < 2; ++i) {
      const GreyImage& picture = column.pictures[i];
      const GreyImage& inset = column.insets[i];
      const int x = left + (column_width_ - picture.width) / 2;
      paste(canvas, picture, x, top);
      const PreviewSlice& slice = slices_[i];
      draw_frame(canvas, x + static_cast<int>(slice.inset_x * scale_), top + static_cast<int>(slice.inset_y * scale_),
                 inset.width / kMagnification, inset.height / kMagnification);
      if (c == 0) draw_text(canvas, x + kGap, top + kGap, plane_label(slice.plane), kLabelDot, kTextGrey);
      top += picture.height + kGap;
      paste(canvas, inset, left + (column_width_ - inset.width) / 2, top);
      top += inset.height + 2 * kGap;
    }
  }
  return canvas;
}

}  // namespace clade
