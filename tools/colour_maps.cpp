// SPDX-License-Identifier: Apache-2.0
#include "tools/colour_maps.h"

#include <cmath>

namespace clade {

namespace {

using Colour = std::array<double, 3>;

// Straight lines between colours that stand at equal distances.
Palette between(const std::vector<Colour>& stops) {
  Palette palette{};
  for (std::size_t i = 0; i < palette.size(); ++i) {
    const double at = static_cast<double>(i) / 255.0 * static_cast<double>(stops.size() - 1);
    const std::size_t stop = std::min(static_cast<std::size_t>(at), stops.size() - 2);
    const double share = at - static_cast<double>(stop);
    for (std::size_t c = 0; c < 3; ++c)
      palette[i][c] =
          static_cast<std::uint8_t>(std::lround((1.0 - share) * stops[stop][c] + share * stops[stop + 1][c]));
  }
  return palette;
}

}  // namespace

const Palette& difference_palette() {
  static const Palette palette = between({{170, 225, 255}, {0, 120, 220}, {0, 0, 0}, {220, 90, 0}, {255, 225, 150}});
  return palette;
}

const Palette& magnitude_palette() {
  static const Palette palette = between({{0, 0, 0}, {80, 20, 110}, {190, 55, 85}, {250, 145, 10}, {255, 255, 170}});
  return palette;
}

}  // namespace clade
