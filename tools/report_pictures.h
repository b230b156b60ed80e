// SPDX-License-Identifier: Apache-2.0
// What a page shows of one subject: the same slices of every volume.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "io/intensity.h"
#include "tools/upright_slice.h"

namespace clade {

/// The default of --display.
inline constexpr const char* kDefaultDisplay = "percentile:1,99.5";
/// What the pictures of a page may take; with text it stays below 10 MB, which browsers and mail servers bear.
inline constexpr double kPageBytes = 9e6;

/// How many slices of each plane fit into `bytes` when each is drawn for `volumes` volumes on `grid`, 5 at most; 0 when
/// not even one does.
int slices_that_fit(const Geometry& grid, double volumes, double bytes);
/// Pixels per finest spacing with which one slice of each plane fits, 1 at most.
double scale_that_fits(const Geometry& grid, double volumes, double bytes);

/// Pictures of one subject, for viewer.js.
class SubjectPictures {
 public:
  /// Chooses slices of all three planes, spread evenly over what is not air, and the magnified places on `guide`, whose
  /// slices were thick along `slice_axis` (none where that is not known). `scale` is in pixels per finest spacing, 1 at
  /// most. `display` says which of its intensities are black and white.
  SubjectPictures(const Volume& guide, std::optional<int> slice_axis, const IntensityRule& display, int slices,
                  double scale = 1.0);

  void add_picture(const std::string& name, const Volume& volume);
  /// Values in [-limit, limit], on any grid.
  void add_difference(const std::string& name, const Volume& map, double limit);
  /// Values in [0, limit], on any grid.
  void add_uncertainty(const std::string& name, const Volume& map, double limit);

  /// {"window", "planes": [{"name", "kind", "width", "height", "scale", "inset", "slices"}], and for each kind of view
  /// "picture", "difference", "uncertainty": [{"name", "images": [plane][slice]}]}.
  nlohmann::ordered_json json() const;
  /// Of all pictures so far.
  std::size_t bytes() const { return bytes_; }

 private:
  struct PlaneSlices {
    std::string kind;
    std::vector<UprightSlice> slices;
  };
  void add(const char* kind, const std::string& name, const Volume& volume, double low, double high, double scale,
           int subsamples, const Palette* palette);

  std::vector<PlaneSlices> planes_;
  double low_ = 0.0, high_ = 1.0;
  double scale_ = 1.0;  // pixels per mm
  int subsamples_ = 1;  // of a pixel and direction, where pixels are coarser than voxels
  nlohmann::ordered_json views_;
  std::size_t bytes_ = 0;
};

}  // namespace clade
