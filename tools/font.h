// SPDX-License-Identifier: Apache-2.0
// Capital letters as 5 x 7 dots, for labels in pictures.
#pragma once

#include <string_view>

#include "io/png.h"

namespace clade {

/// Width in pixels of a text whose dots are `dot` pixels wide.
int text_width(std::string_view text, int dot);
/// Height of a line of text.
constexpr int text_height(int dot) { return 7 * dot; }

/// Draws letters and spaces in `grey` with the upper left corner at (x, y); what lies outside the image is left out.
void draw_text(GreyImage& image, int x, int y, std::string_view text, int dot, std::uint8_t grey);

}  // namespace clade
