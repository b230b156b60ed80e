// SPDX-License-Identifier: Apache-2.0
#include "tools/preview.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tools/font.h"

namespace clade {

namespace {

constexpr int kTotalWidth = 1400;  // pixels
constexpr int kGap = 8;            // pixels between pictures
constexpr int kTitleDot = 3;       // pixels per dot of the column titles
constexpr int kTitleHeight = text_height(kTitleDot) + 2 * kGap;
constexpr int kMagnification = 3;  // of the inset against the picture
constexpr int kLabelDot = 2;       // of the names of the planes
constexpr std::uint8_t kBackground = 0;
constexpr std::uint8_t kTextGrey = 220;
constexpr std::uint8_t kFrameGrey = 255;
constexpr int kMostSubsamples = 4;  // per pixel and direction, when the picture is coarser than the volume

double percentile(std::vector<float>& values, double percent) {
  const auto rank =
      values.begin() + static_cast<std::ptrdiff_t>(percent / 100.0 * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), rank, values.end());
  return static_cast<double>(*rank);
}

// The slice across `axis` with most foreground, in the middle half of the volume.
int best_slice(const Volume& volume, int axis, double threshold) {
  const std::vector<std::int64_t> foreground = foreground_of_slices(volume, axis, threshold);
  const int size = static_cast<int>(foreground.size());
  int best = size / 2;
  for (int slice = size / 4; slice <= (3 * size) / 4 && slice < size; ++slice)
    if (foreground[static_cast<std::size_t>(slice)] > foreground[static_cast<std::size_t>(best)]) best = slice;
  return best;
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
  const double air = low_ + kForegroundLevel * (high_ - low_);
  column_width_ = (kTotalWidth - (columns + 1) * kGap) / columns;
  scale_ = std::numeric_limits<double>::max();
  const int across[2] = {axes.normal, axes.shared};
  for (std::size_t i = 0; i < 2; ++i) {
    UprightSlice& slice = slices_[i];
    slice = upright_slice(interpolated.geometry, across[i], best_slice(interpolated, across[i], air));
    Vector3 slice_axis;
    for (std::size_t world = 0; world < 3; ++world)
      slice_axis[world] = interpolated.geometry.affine[world][static_cast<std::size_t>(axes.slice)];
    place_inset(slice, sampler, slice_axis, low_, high_, kMagnification);
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
    const UprightSlice& s = slices_[i];
    column.pictures[i] =
        to_grey(sample_slice(sampler, s, 0, 0, s.width, s.height, scale_, subsamples, low_), low_, high_);
    column.insets[i] = to_grey(
        sample_slice(sampler, s, s.inset_x, s.inset_y, s.inset_width, s.inset_height, scale_ * kMagnification, 1, low_),
        low_, high_);
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
      const UprightSlice& slice = slices_[i];
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
