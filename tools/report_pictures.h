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
/// Pictures of a page take about this much at most; browsers and mail servers dislike more.
inline constexpr double kPageBytes = 8e6;

/// How many slices of each plane fit into `bytes` when each is drawn for `volumes` volumes on `grid`, 5 at most; 0 when
/// not even one does.
int slices_that_fit(const Geometry& grid, double volumes, double bytes);

/// Pictures of one subject, for viewer.js.
class SubjectPictures {
 public:
  /// Chooses slices of all three planes, spread evenly over what is not air, and the magnified places on `guide`, whose
  /// slices were thick along `slice_axis` (none where that is not known). One pixel is its finest spacing. `display`
  /// says which of its intensities are black and white.
  SubjectPictures(const Volume& guide, std::optional<int> slice_axis, const IntensityRule& display, int slices);

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
  nlohmann::ordered_json views_;
  std::size_t bytes_ = 0;
};

}  // namespace clade
