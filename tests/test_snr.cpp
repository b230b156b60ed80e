// SPDX-License-Identifier: Apache-2.0
#include "metrics/snr.h"

#include <cmath>

#include "tests/support/errors.h"
#include "tests/support/volumes.h"

using namespace clade;
using clade::test::contains;
using clade::test::error_of;
using clade::test::make_geometry;

TEST_CASE("SNR is mean over standard deviation", "[snr]") {
  Volume volume = test::random_volume(make_geometry({6, 5, 4}, {1, 1, 1}));
  volume.voxels[0] = 10.0f;
  volume.voxels[1] = 30.0f;
  volume.voxels[7] = 1.0f;
  volume.voxels[8] = 2.0f;
  volume.voxels[9] = 6.0f;
  const SignalToNoise snr = signal_to_noise(volume, {0, 1}, {7, 8, 9});
  CHECK(snr.signal == Approx(20.0));
  CHECK(snr.noise == Approx(std::sqrt(7.0)));
  CHECK(snr.ratio.value() == Approx(20.0 / std::sqrt(7.0)));
}

TEST_CASE("air without noise has no SNR", "[snr]") {
  Volume volume = test::random_volume(make_geometry({6, 5, 4}, {1, 1, 1}), 100.0, 200.0);
  for (std::size_t i = 60; i < 120; ++i) volume.voxels[i] = -1000.0f;
  const Region signal = box_region(volume.geometry, {{0, 0, 0}, {6, 5, 2}});
  const Region air = box_region(volume.geometry, {{0, 0, 2}, {6, 5, 4}});
  CHECK(air.front() == 60);
  CHECK(air.size() == 60);
  CHECK_FALSE(signal_to_noise(volume, signal, air).ratio.has_value());
  CHECK(signal_to_noise(volume, signal, signal).ratio.has_value());
  error_of(ErrorCode::usage, [&] { signal_to_noise(volume, {}, air); });
  error_of(ErrorCode::usage, [&] { signal_to_noise(volume, signal, {3}); });
}

TEST_CASE("regions are boxes and labels", "[snr]") {
  const Geometry geometry = make_geometry({6, 5, 4}, {1, 1, 1});
  const Box box = Box::parse("1:3,0:5,3:4");
  CHECK(box.first == std::array<int, 3>{1, 0, 3});
  CHECK(box.end == std::array<int, 3>{3, 5, 4});
  const Region region = box_region(geometry, box);
  CHECK(region == Region{91, 92, 97, 98, 103, 104, 109, 110, 115, 116});
  for (const char* text : {"", "1:3", "1:3,0:5", "1:3,0:5,3:4,1:2", "1:3,0:5,3:3", "3:1,0:5,3:4", "-1:3,0:5,3:4",
                           "1:3,0:5,3:4 ", "1-3,0:5,3:4", "a:3,0:5,3:4", "1:3,0:5,3:99999999999"}) {
    INFO(text);
    CHECK(contains(error_of(ErrorCode::usage, [&] { Box::parse(text); }), str("'", text, "'")));
  }
  error_of(ErrorCode::usage, [&] { box_region(geometry, Box::parse("0:7,0:5,0:4")); });

  Volume mask;
  mask.geometry = geometry;
  mask.voxels.assign(120, 0.0f);
  mask.voxels[5] = 1.0f;
  mask.voxels[17] = 2.0f;
  mask.voxels[40] = 1.0f;
  CHECK(label_region(mask, 1) == Region{5, 40});
  CHECK(mask_region(mask) == Region{5, 17, 40});
  std::int64_t visited = 0;
  for_each_voxel(geometry, {}, [&](std::int64_t voxel) { visited += voxel; });
  CHECK(visited == 119 * 120 / 2);
  for_each_voxel(geometry, {5, 7}, [&](std::int64_t voxel) { visited -= voxel; });
  CHECK(visited == 119 * 120 / 2 - 12);
  CHECK(contains(error_of(ErrorCode::input, [&] { label_region(mask, 3); }), "3"));
  mask.voxels.assign(120, 0.0f);
  error_of(ErrorCode::input, [&] { mask_region(mask); });
}
