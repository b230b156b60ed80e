// SPDX-License-Identifier: Apache-2.0
#include "io/intensity.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/error.h"

namespace clade {

namespace {

// The whole of `text` as a finite number.
bool parse_number(std::string_view text, double& value) {
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && rest == end && std::isfinite(value);
}

// The shortest text that parses to the same number.
std::string number_text(double value) {
  char buffer[32];
  const auto result = std::to_chars(buffer, buffer + sizeof(buffer), value);
  return {buffer, result.ptr};
}

// Linear between the two order statistics around rank percent / 100 * (n - 1). Reorders `values`.
double percentile(std::vector<float>& values, double percent) {
  const double rank = percent / 100.0 * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::ptrdiff_t>(rank);
  const auto at = values.begin() + below;
  std::nth_element(values.begin(), at, values.end());
  const double fraction = rank - static_cast<double>(below);
  if (fraction == 0.0) return *at;
  const double next = *std::min_element(at + 1, values.end());
  return *at + fraction * (next - *at);
}

}  // namespace

IntensityRule IntensityRule::parse(std::string_view text) {
  if (text == "minmax") return {Kind::minmax, 0.0, 100.0};
  const auto colon = text.find(':');
  const auto comma = text.find(',');
  const std::string_view kind = text.substr(0, colon);
  IntensityRule rule{kind == "window" ? Kind::window : Kind::percentile, 0.0, 0.0};
  const bool known = kind == "window" || kind == "percentile";
  CLADE_CHECK(known && colon != text.npos && comma != text.npos && colon < comma &&
                  parse_number(text.substr(colon + 1, comma - colon - 1), rule.low) &&
                  parse_number(text.substr(comma + 1), rule.high),
              ErrorCode::usage, "intensity '", text, "', expected minmax, percentile:LO,HI or window:LO,HI");
  CLADE_CHECK(rule.low < rule.high, ErrorCode::usage, "intensity '", text, "': LO must be below HI");
  CLADE_CHECK(rule.kind == Kind::window || (rule.low >= 0.0 && rule.high <= 100.0), ErrorCode::usage, "intensity '",
              text, "': percentiles lie between 0 and 100");
  return rule;
}

std::string IntensityRule::text() const {
  if (kind == Kind::minmax) return "minmax";
  return (kind == Kind::window ? "window:" : "percentile:") + number_text(low) + "," + number_text(high);
}

float IntensityMap::forward(float voxel) const {
  const double value = (voxel - low) / (high - low) * (2.0 * range) - range;
  return static_cast<float>(std::clamp(value, -range, range));
}

float IntensityMap::inverse(float value, float original) const {
  const double inside = low + (value + range) / (2.0 * range) * (high - low);
  const double excess = original - std::clamp<double>(original, low, high);
  return static_cast<float>(inside + excess);
}

float IntensityMap::inverse_distance(float distance) const {
  return static_cast<float>(distance / (2.0 * range) * (high - low));
}

IntensityMap make_intensity_map(const IntensityRule& rule, double range, const std::vector<float>& voxels) {
  CLADE_CHECK(!voxels.empty(), ErrorCode::input, "no voxels to take intensity limits from");
  IntensityMap map{rule.low, rule.high, range};
  if (rule.kind == IntensityRule::Kind::minmax) {
    const auto [least, greatest] = std::minmax_element(voxels.begin(), voxels.end());
    map.low = *least;
    map.high = *greatest;
  } else if (rule.kind == IntensityRule::Kind::percentile) {
    std::vector<float> order = voxels;
    map.low = percentile(order, rule.low);
    map.high = percentile(order, rule.high);
  }
  CLADE_CHECK(map.low < map.high, ErrorCode::input, "intensity rule ", rule.text(),
              " leaves no range: both limits are ", map.low);
  return map;
}

}  // namespace clade
