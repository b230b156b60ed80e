// SPDX-License-Identifier: Apache-2.0
#include "io/intensity.h"

#include "tests/support/errors.h"

using namespace clade;
using clade::test::contains;
using clade::test::error_of;

TEST_CASE("intensity rules parse and print", "[intensity]") {
  for (const char* text : {"minmax", "percentile:0,99.9", "window:-1000,1000", "window:-0.1,1e+30"})
    CHECK(IntensityRule::parse(text).text() == text);
  const IntensityRule rule = IntensityRule::parse("percentile:0.5,99.5");
  CHECK(rule.kind == IntensityRule::Kind::percentile);
  CHECK(rule.low == 0.5);
  CHECK(rule.high == 99.5);
  CHECK(IntensityRule{}.text() == "percentile:0,99.9");
}

TEST_CASE("malformed intensity rules are refused", "[intensity]") {
  for (const char* text :
       {"", "max", "minmax:0,1", "percentile", "percentile:", "percentile:1", "percentile:1,", "percentile:,1",
        "percentile:2,1", "percentile:1,1", "percentile:-1,50", "percentile:0,100.1", "window:1,2,3", "window:1,2 ",
        "window:nan,1", "window:0,inf", "window:0,1e999", "window,0:1"}) {
    INFO(text);
    const std::string message = error_of(ErrorCode::usage, [&] { IntensityRule::parse(text); });
    CHECK(contains(message, str("'", text, "'")));
  }
}

TEST_CASE("limits of the map", "[intensity]") {
  const std::vector<float> voxels{5, -3, 10, 1, 2};
  const IntensityMap minmax = make_intensity_map(IntensityRule::parse("minmax"), 0.9, voxels);
  CHECK(minmax.low == -3.0);
  CHECK(minmax.high == 10.0);
  CHECK(minmax.range == 0.9);
  // Order statistics -3 1 2 5 10 at ranks 0..4: 12.5 % is rank 0.5, 90 % is rank 3.6.
  const IntensityMap percentile = make_intensity_map(IntensityRule::parse("percentile:12.5,90"), 1.0, voxels);
  CHECK(percentile.low == Approx(-1.0));
  CHECK(percentile.high == Approx(8.0));
  const IntensityMap ends = make_intensity_map(IntensityRule::parse("percentile:0,100"), 1.0, voxels);
  CHECK(ends.low == -3.0);
  CHECK(ends.high == 10.0);
  const IntensityMap window = make_intensity_map(IntensityRule::parse("window:-1000,400"), 1.0, voxels);
  CHECK(window.low == -1000.0);
  CHECK(window.high == 400.0);
}

TEST_CASE("a volume without contrast has no map", "[intensity]") {
  const std::vector<float> constant(100, 4.0f);
  for (const char* text : {"minmax", "percentile:0,99.9"})
    error_of(ErrorCode::input, [&] { make_intensity_map(IntensityRule::parse(text), 0.9, constant); });
  error_of(ErrorCode::input, [] { make_intensity_map(IntensityRule{}, 0.9, {}); });
}

TEST_CASE("the map is linear, clips, and gives back what it clipped", "[intensity]") {
  const IntensityMap map{-1000.0, 1000.0, 0.9};
  CHECK(map.forward(-1000.0f) == -0.9f);
  CHECK(map.forward(1000.0f) == 0.9f);
  CHECK(map.forward(0.0f) == 0.0f);
  CHECK(map.forward(500.0f) == Approx(0.45f));
  CHECK(map.forward(3000.0f) == 0.9f);
  CHECK(map.forward(-3000.0f) == -0.9f);
  // A voxel value has 24 bits, so a network value of 0.9 leaves an error of 1000 / 2^24 = 6e-5.
  for (float voxel : {-3024.0f, -1000.0f, -0.1f, 17.0f, 999.0f, 1000.0f, 3071.0f})
    CHECK(map.inverse(map.forward(voxel), voxel) == Approx(voxel).margin(2e-4));
  // A network that darkens a clipped voxel darkens the voxel by the same amount.
  CHECK(map.inverse(0.45f, 3000.0f) == Approx(2500.0f));
  CHECK(map.inverse(0.45f, 0.0f) == Approx(500.0f));
}

TEST_CASE("the map takes distances back as it takes values", "[intensity]") {
  const IntensityMap map{-1000.0, 500.0, 0.75};
  CHECK(map.inverse_distance(0.0f) == 0.0f);
  CHECK(map.inverse_distance(1.5f) == 1500.0f);
  CHECK(map.inverse_distance(0.25f) == map.inverse(0.5f, 0.0f) - map.inverse(0.25f, 0.0f));
}
