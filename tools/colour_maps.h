// SPDX-License-Identifier: Apache-2.0
// Colours for maps. They differ in brightness too, so that they can be told apart without seeing hues.
#pragma once

#include "io/png.h"

namespace clade {

/// Blue for less, black for none, orange for more: 0 is grey value 128.
const Palette& difference_palette();
/// Black over purple and orange to yellow.
const Palette& magnitude_palette();

}  // namespace clade
