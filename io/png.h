// SPDX-License-Identifier: Apache-2.0
// Grey pictures, and such that a palette gives colours to.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <vector>

namespace clade {

/// 8-bit grey, row-major.
struct GreyImage {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> pixels;
};

/// Red, green and blue of each grey value.
using Palette = std::array<std::array<std::uint8_t, 3>, 256>;

/// The bytes of a PNG file.
std::vector<std::uint8_t> encode_png(const GreyImage& image, const Palette* palette = nullptr);

/// Writes a PNG file whole or not at all. Throws Error(output).
void write_png(const std::filesystem::path& path, const GreyImage& image);

}  // namespace clade
