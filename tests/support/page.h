// SPDX-License-Identifier: Apache-2.0
// What is inside of a page.
#pragma once

#include <png.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "io/png.h"
#include "metrics/slice_image.h"
#include "tests/support/catch.h"

namespace clade::test {

/// What the scripts of the page read.
inline nlohmann::json page_data(const std::string& html) {
  const std::string start = "<script id=\"data\" type=\"application/json\">";
  const std::size_t begin = html.find(start);
  REQUIRE(begin != std::string::npos);
  return nlohmann::json::parse(html.substr(begin + start.size(), html.find("</script>", begin) - begin - start.size()));
}

/// The picture of a data URI. `format` is PNG_FORMAT_GRAY or PNG_FORMAT_RGB, whose pixels take three bytes.
inline GreyImage decode_uri(const std::string& uri, png_uint_32 format) {
  const std::string start = "data:image/png;base64,";
  REQUIRE(uri.starts_with(start));
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::vector<std::uint8_t> bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (std::size_t i = start.size(); i < uri.size() && uri[i] != '='; ++i) {
    REQUIRE(digits.find(uri[i]) != std::string::npos);
    bits = bits << 6 | static_cast<std::uint32_t>(digits.find(uri[i]));
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<std::uint8_t>(bits >> count));
  }
  png_image header{};
  header.version = PNG_IMAGE_VERSION;
  REQUIRE(png_image_begin_read_from_memory(&header, bytes.data(), bytes.size()));
  header.format = format;
  GreyImage image{static_cast<int>(header.width), static_cast<int>(header.height), {}};
  image.pixels.resize(PNG_IMAGE_SIZE(header));
  REQUIRE(png_image_finish_read(&header, nullptr, image.pixels.data(), 0, nullptr));
  return image;
}

/// Whether some slice of the plane, cut by the code of the metrics, looks like the picture.
inline bool is_slice_of(const GreyImage& picture, const Volume& volume, Plane plane, double low, double high) {
  const SliceCutter cutter(volume.geometry, plane);
  for (int index = 0; index < cutter.count(); ++index) {
    const SliceImage slice = cutter.cut(volume.voxels, index);
    if (slice.rows != picture.height || slice.columns != picture.width) continue;
    bool same = true;
    for (std::size_t i = 0; i < slice.pixels.size() && same; ++i) {
      const double grey = 255.0 * std::clamp((slice.pixels[i] - low) / (high - low), 0.0, 1.0);
      same = std::abs(grey - picture.pixels[i]) < 1.0;
    }
    if (same) return true;
  }
  return false;
}

}  // namespace clade::test
