// SPDX-License-Identifier: Apache-2.0
#include "tools/report_pictures.h"

#include <algorithm>
#include <cmath>

#include "tools/colour_maps.h"
#include "tools/html.h"

namespace clade {

namespace {

constexpr int kMostSlices = 5;           // of a plane
constexpr int kMagnification = 3;        // of the inset; viewer.js has the same
constexpr double kBytesPerPixel = 1.35;  // of a grey PNG in base64 that cannot be compressed: pure noise
constexpr double kTissueShare = 0.2;     // of the fullest slice: those with less foreground are not shown

std::vector<int> spread_slices(const std::vector<std::int64_t>& foreground, int count) {
  const auto enough = [&, most = *std::max_element(foreground.begin(), foreground.end())](std::int64_t voxels) {
    return static_cast<double>(voxels) >= kTissueShare * static_cast<double>(most);
  };
  const auto first = std::find_if(foreground.begin(), foreground.end(), enough) - foreground.begin();
  const auto last = foreground.rend() - std::find_if(foreground.rbegin(), foreground.rend(), enough) - 1;
  std::vector<int> slices;
  for (int i = 0; i < count; ++i) slices.push_back(static_cast<int>(first + (last - first) * (i + 1) / (count + 1)));
  slices.erase(std::unique(slices.begin(), slices.end()), slices.end());
  return slices;
}

// "R 12 mm": where the middle of a slice lies along the axis across it.
std::string position_of(const UprightSlice& slice) {
  const Vector3 middle = slice.origin + 0.5 * slice.width * slice.right + 0.5 * slice.height * slice.down;
  const auto [axis, less, more] = slice.plane == Plane::sagittal  ? std::tuple{0, "L", "R"}
                                  : slice.plane == Plane::coronal ? std::tuple{1, "P", "A"}
                                                                  : std::tuple{2, "I", "S"};
  const double position = middle[static_cast<std::size_t>(axis)];
  return str(position < 0 ? less : more, " ", std::lround(std::abs(position)), " mm");
}

// Of one slice of each plane.
double pixels_of(const Geometry& grid) {
  const double finest = *std::min_element(grid.spacing.begin(), grid.spacing.end());
  double pixels = 0.0;
  for (std::size_t across = 0; across < 3; ++across) {
    const std::size_t a = (across + 1) % 3, b = (across + 2) % 3;
    pixels += grid.size[a] * grid.spacing[a] * grid.size[b] * grid.spacing[b] / (finest * finest);
  }
  return pixels;
}

}  // namespace

int slices_that_fit(const Geometry& grid, double volumes, double bytes) {
  return static_cast<int>(std::min<double>(bytes / (pixels_of(grid) * volumes * kBytesPerPixel), kMostSlices));
}

double scale_that_fits(const Geometry& grid, double volumes, double bytes) {
  return std::min(1.0, std::sqrt(bytes / (pixels_of(grid) * volumes * kBytesPerPixel)));
}

SubjectPictures::SubjectPictures(const Volume& guide, std::optional<int> slice_axis, const IntensityRule& display,
                                 int slices, double scale) {
  const Geometry& grid = guide.geometry;
  const IntensityMap window = make_intensity_map(display, 1.0, guide.voxels);
  low_ = window.low;
  high_ = window.high;
  scale_ = scale / *std::min_element(grid.spacing.begin(), grid.spacing.end());
  subsamples_ = static_cast<int>(std::ceil(1.0 / scale));
  const WorldSampler sampler(guide);
  Vector3 slice_direction{};
  if (slice_axis)
    for (std::size_t world = 0; world < 3; ++world)
      slice_direction[world] = grid.affine[world][static_cast<std::size_t>(*slice_axis)];
  for (int across = 0; across < 3; ++across) {
    PlaneSlices plane;
    if (slice_axis) plane.kind = across == *slice_axis ? "as acquired" : "through the slices";
    const auto foreground = foreground_of_slices(guide, across, low_ + kForegroundLevel * (high_ - low_));
    for (int index : spread_slices(foreground, slices)) {
      plane.slices.push_back(upright_slice(grid, across, index));
      place_inset(plane.slices.back(), sampler, slice_direction, low_, high_, kMagnification);
    }
    planes_.push_back(std::move(plane));
  }
  // The planes that are super-resolved come first, then in the order sagittal, coronal, axial.
  std::sort(planes_.begin(), planes_.end(), [](const PlaneSlices& a, const PlaneSlices& b) {
    const auto key = [](const PlaneSlices& p) { return std::pair(p.kind == "as acquired", p.slices.front().plane); };
    return key(a) < key(b);
  });
}

void SubjectPictures::add(const char* kind, const std::string& name, const Volume& volume, double low, double high,
                          double scale, int subsamples, const Palette* palette) {
  const WorldSampler sampler(volume);
  // What lies outside of a volume is black, with a palette whatever stands for 0.
  const double outside = palette ? 0.0 : low;
  nlohmann::ordered_json images = nlohmann::ordered_json::array();
  for (const PlaneSlices& plane : planes_) {
    images.push_back(nlohmann::ordered_json::array());
    for (const UprightSlice& s : plane.slices) {
      images.back().push_back(png_uri(
          to_grey(sample_slice(sampler, s, 0, 0, s.width, s.height, scale, subsamples, outside), low, high), palette));
      bytes_ += images.back().back().get_ref<const std::string&>().size();
    }
  }
  views_[kind].push_back({{"name", name}, {"images", images}});
}

void SubjectPictures::add_picture(const std::string& name, const Volume& volume) {
  add("picture", name, volume, low_, high_, scale_, subsamples_, nullptr);
}

// Maps are smooth: half the pixels will do.
void SubjectPictures::add_difference(const std::string& name, const Volume& map, double limit) {
  add("difference", name, map, -limit, limit, 0.5 * scale_, 2 * subsamples_, &difference_palette());
}

void SubjectPictures::add_uncertainty(const std::string& name, const Volume& map, double limit) {
  add("uncertainty", name, map, 0.0, limit, 0.5 * scale_, 2 * subsamples_, &magnitude_palette());
}

nlohmann::ordered_json SubjectPictures::json() const {
  nlohmann::ordered_json planes = nlohmann::ordered_json::array();
  for (const PlaneSlices& plane : planes_) {
    const UprightSlice& middle = plane.slices[plane.slices.size() / 2];
    nlohmann::ordered_json slices = nlohmann::ordered_json::array();
    for (const UprightSlice& slice : plane.slices) slices.push_back(position_of(slice));
    planes.push_back({{"name", plane_name(middle.plane)},
                      {"kind", plane.kind},
                      {"width", std::max(1L, std::lround(middle.width * scale_))},
                      {"height", std::max(1L, std::lround(middle.height * scale_))},
                      {"scale", scale_},
                      {"inset",
                       {(middle.inset_x + 0.5 * middle.inset_width) / middle.width,
                        (middle.inset_y + 0.5 * middle.inset_height) / middle.height}},
                      {"slices", slices}});
  }
  nlohmann::ordered_json json{{"window", {low_, high_}}, {"planes", planes}};
  json.update(views_);
  return json;
}

}  // namespace clade
