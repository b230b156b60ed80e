// SPDX-License-Identifier: Apache-2.0
// A picture of a result for the eye: both low-resolution planes, one column per version of the volume.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "io/axes.h"
#include "io/png.h"
#include "io/volume.h"
#include "tools/upright_slice.h"

namespace clade {

class Preview {
 public:
  /// Chooses slices, magnified parts and grey window for `columns` columns from the interpolated volume, whose roles of
  /// axes are `axes`.
  Preview(const Volume& interpolated, const PlaneAxes& axes, int columns);

  /// Takes the slices of a volume of the same place, trilinearly in world coordinates, whatever its grid.
  void add_column(std::string title, const Volume& volume);

  /// All columns side by side, about 1400 pixels wide: a slice with its magnified part below, twice.
  /// Superior is up, else anterior; the patient's right is on the left, anterior on the left.
  GreyImage render() const;

  const std::array<UprightSlice, 2>& slices() const { return slices_; }

 private:
  struct Column {
    std::string title;
    std::array<GreyImage, 2> pictures;
    std::array<GreyImage, 2> insets;
  };

  std::array<UprightSlice, 2> slices_;
  double low_ = 0;   // shown black
  double high_ = 1;  // shown white
  int column_width_ = 0;
  double scale_ = 1;  // pixels per mm
  std::vector<Column> columns_;
};

}  // namespace clade
