// SPDX-License-Identifier: Apache-2.0
#include "io/patch_sampler.h"

#include <algorithm>
#include <set>

#include "tests/support/errors.h"
#include "tests/support/volumes.h"

using namespace clade;
using clade::test::contains;
using clade::test::error_of;
using clade::test::make_geometry;

namespace {

constexpr int kPatch = 6;
constexpr int kPixels = kPatch * kPatch;

TrainingVolume training_volume(const Volume& volume, ThreadPool& pool) {
  const PlaneAxes axes = select_axes(volume.geometry, {}, {});
  const Geometry grid = isotropic_grid(volume.geometry, axes);
  return {std::make_shared<ResampledVolume>(volume, axes, grid, pool), IntensityMap{0.0, 1000.0, 0.9}};
}

// 10 x 9 x 4 voxels that become 10 x 9 x 12; slice axis k, shared axis j, normal axis i.
TrainingVolume small_volume(ThreadPool& pool) {
  return training_volume(test::random_volume(make_geometry({10, 9, 4}, {1, 1, 3})), pool);
}

struct Pair {
  std::vector<float> x = std::vector<float>(kPixels), y = std::vector<float>(kPixels);
  friend bool operator==(const Pair&, const Pair&) = default;
};

std::vector<Pair> epoch_of(PatchSampler& sampler, std::int64_t epoch, ThreadPool& pool) {
  std::vector<Pair> pairs(static_cast<std::size_t>(sampler.begin_epoch(epoch, pool)));
  for (std::size_t p = 0; p < pairs.size(); ++p)
    sampler.read_pair(static_cast<std::int64_t>(p), pairs[p].x.data(), pairs[p].y.data());
  return pairs;
}

PatchSamplerOptions options_with(double foreground, std::uint64_t seed = 1) { return {kPatch, 4, foreground, seed}; }

}  // namespace

TEST_CASE("patches are cut from the slices of their plane, height along the shared axis", "[patch_sampler]") {
  ThreadPool pool(1);
  const TrainingVolume training = small_volume(pool);
  const std::vector<float> whole = training.volume->read_all(pool);
  const Geometry& grid = training.volume->grid();
  PatchSampler sampler({training}, options_with(0.0));
  const std::vector<Pair> pairs = epoch_of(sampler, 0, pool);
  // 10 sagittal slices and 12 axial ones with 4 patches each; the shorter list counts.
  REQUIRE(pairs.size() == 40);

  const auto value = [&](int i, int j, int k) {
    return training.intensity.forward(whole[static_cast<std::size_t>(i + grid.stride(1) * j + grid.stride(2) * k)]);
  };
  // The only place in the volume where a patch of random voxels can be from, or -1.
  const auto slice_of = [&](const std::vector<float>& patch, bool x) {
    for (int s = 0; s < (x ? 10 : 12); ++s)
      for (int row = 0; row + kPatch <= 9; ++row)
        for (int column = 0; column + kPatch <= (x ? 12 : 10); ++column) {
          bool same = true;
          for (int p = 0; same && p < kPixels; ++p) {
            const int j = row + p / kPatch, along = column + p % kPatch;
            const float expected = x ? value(s, j, along) : value(along, j, s);
            same = std::abs(patch[static_cast<std::size_t>(p)] - expected) < 1e-5f;
          }
          if (same) return s;
        }
    return -1;
  };
  std::vector<int> x_slices, y_slices;
  for (const Pair& pair : pairs) {
    x_slices.push_back(slice_of(pair.x, true));
    y_slices.push_back(slice_of(pair.y, false));
  }
  CHECK(std::count(x_slices.begin(), x_slices.end(), -1) == 0);
  CHECK(std::count(y_slices.begin(), y_slices.end(), -1) == 0);
  for (int s = 0; s < 10; ++s) CHECK(std::count(x_slices.begin(), x_slices.end(), s) == 4);
  // The lists are shuffled, each in its own way.
  CHECK_FALSE(std::is_sorted(x_slices.begin(), x_slices.end()));
  CHECK_FALSE(std::is_sorted(y_slices.begin(), y_slices.end()));
  CHECK(x_slices != y_slices);
}

TEST_CASE("an epoch is a function of seed and epoch, not of threads or history", "[patch_sampler]") {
  ThreadPool one(1), three(3);
  const TrainingVolume training = small_volume(one);
  PatchSampler a({training}, options_with(0.3)), b({training}, options_with(0.3));
  const auto third = epoch_of(a, 3, one);
  epoch_of(b, 0, three);
  CHECK(epoch_of(b, 3, three) == third);
  CHECK(epoch_of(b, 4, one) != third);
  PatchSampler other_seed({training}, options_with(0.3, 2));
  CHECK(epoch_of(other_seed, 3, one) != third);
}

TEST_CASE("places vary within a slice, between slices and between epochs", "[patch_sampler]") {
  ThreadPool pool(1);
  const TrainingVolume training = training_volume(test::random_volume(make_geometry({40, 60, 20}, {1, 1, 3})), pool);
  PatchSampler sampler({training}, options_with(0.0));
  const auto first = epoch_of(sampler, 0, pool);
  const auto second = epoch_of(sampler, 1, pool);
  std::set<std::vector<float>> places;
  for (const auto& pairs : {first, second})
    for (const Pair& pair : pairs) places.insert(pair.x);
  // 320 draws from 40 slices of 55 x 55 places: a repeat is a chance of some 15 %, three repeats of 1 in 1000.
  CHECK(places.size() > 317);
}

TEST_CASE("patches hold enough foreground", "[patch_sampler]") {
  ThreadPool pool(2);
  // Air for j < 15, tissue beyond; the map has its threshold at 75.
  Volume volume = test::random_volume(make_geometry({8, 30, 4}, {1, 1, 3}), 100.0, 900.0);
  for (std::int64_t v = 0; v < volume.geometry.voxel_count(); ++v)
    if (v / 8 % 30 < 15) volume.voxels[static_cast<std::size_t>(v)] = 0.0f;
  const TrainingVolume training = training_volume(volume, pool);
  const double air = -0.9 + 0.075 * 1.8;
  const auto least_share = [&](double foreground) {
    PatchSampler sampler({training}, options_with(foreground));
    double least = 1.0;
    for (const Pair& pair : epoch_of(sampler, 0, pool))
      for (const auto* patch : {&pair.x, &pair.y})
        least = std::min(
            least, double(std::count_if(patch->begin(), patch->end(), [&](float v) { return v > air; })) / kPixels);
    return least;
  };
  CHECK(least_share(0.0) == 0.0);
  CHECK(least_share(0.5) >= 0.5);
  CHECK(least_share(0.9) >= 0.9);
}

TEST_CASE("volumes are all drawn from, each through its own map", "[patch_sampler]") {
  ThreadPool pool(1);
  Volume low, high;
  low.geometry = high.geometry = make_geometry({10, 9, 4}, {1, 1, 3});
  low.voxels.assign(360, 250.0f);
  high.voxels.assign(360, 750.0f);
  TrainingVolume a = training_volume(low, pool), b = training_volume(high, pool);
  b.intensity.high = 3000.0;
  PatchSampler sampler({a, b}, options_with(0.0));
  const auto pairs = epoch_of(sampler, 0, pool);
  REQUIRE(pairs.size() == 80);
  int from_a = 0;
  for (const Pair& pair : pairs) from_a += pair.x[0] == Approx(-0.45f);
  // 250 of 1000 and 750 of 3000 are the same network value.
  CHECK(from_a == 80);
  b.intensity.high = 1000.0;
  PatchSampler other({a, b}, options_with(0.0));
  from_a = 0;
  for (const Pair& pair : epoch_of(other, 0, pool)) from_a += pair.x[0] == Approx(-0.45f);
  CHECK(from_a == 40);
}

TEST_CASE("volumes without foreground, or too small, are refused", "[patch_sampler]") {
  ThreadPool pool(1);
  Volume air;
  air.geometry = make_geometry({10, 9, 4}, {1, 1, 3});
  air.voxels.assign(360, 10.0f);
  PatchSampler sampler({training_volume(air, pool)}, options_with(0.5));
  CHECK(contains(error_of(ErrorCode::input, [&] { sampler.begin_epoch(0, pool); }), "--foreground"));
  // 10 x 9 x 12 after resampling.
  PatchSamplerOptions large = options_with(0.0);
  large.patch = 10;
  const std::string message = error_of(ErrorCode::input, [&] { PatchSampler({small_volume(pool)}, large); });
  CHECK(contains(message, "10 x 9 x 12"));
  large.patch = 9;
  CHECK_NOTHROW(PatchSampler({small_volume(pool)}, large));
}
