// SPDX-License-Identifier: Apache-2.0
// Plots as SVG elements; their colours are the classes c0 to c7 of page.css.
#pragma once

#include <string>
#include <vector>

namespace clade {

/// One row of a box plot.
struct BoxRow {
  std::string name;
  std::string mark;            ///< significance, to the right
  std::vector<double> values;  ///< every one is drawn as a dot; from 5 on with a box
};

/// Box plots below one another: median, quartiles (interpolated linearly), whiskers to the farthest values within 1.5
/// times their distance (Tukey, "Exploratory data analysis", 1977).
std::string box_plot(const std::string& title, const std::vector<BoxRow>& rows);

struct Curve {
  std::string name;
  int colour = 0;
  bool dashed = false;
  std::vector<double> x, y;  ///< a y that is NaN is a gap
};

/// Curves over x >= 0, from y = 0 or their least value upwards.
std::string line_plot(const std::string& title, const std::string& x_title, const std::vector<Curve>& curves);

/// Values at equal distances from the least to the greatest that a reader can add up: multiples of 1, 2 or 5 times a
/// power of ten, about `count` of them, within [low, high].
std::vector<double> axis_ticks(double low, double high, int count);

/// Means of neighbours, so that at most `count` points are left; NaN is left out.
Curve smoothed(const Curve& curve, int count);

}  // namespace clade
