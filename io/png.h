// SPDX-License-Identifier: Apache-2.0
// Grey pictures.
#pragma once

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

/// Writes a PNG file whole or not at all. Throws Error(output).
void write_png(const std::filesystem::path& path, const GreyImage& image);

}  // namespace clade
