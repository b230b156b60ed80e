// SPDX-License-Identifier: Apache-2.0
// What SMORE learns from: resampling by factors that are not whole, patches where edges are, thick made of thin.
#include "io/self_patches.h"

#include <cmath>

#include "io/edge_density.h"
#include "tests/support/compare.h"
#include "tests/support/errors.h"
#include "tests/support/volumes.h"

using namespace clade;

namespace {

Volume make_volume(const std::array<int, 3>& size, auto&& value) {
  Volume volume;
  volume.geometry = test::make_geometry(size, {1, 1, 3});
  for (int k = 0; k < size[2]; ++k)
    for (int j = 0; j < size[1]; ++j)
      for (int i = 0; i < size[0]; ++i) volume.voxels.push_back(static_cast<float>(value(i, j, k)));
  return volume;
}

const PlaneAxes kAxes{2, 1, 0, Plane::sagittal};

// What a line of slices is at the spacing of the plane, by the code that makes CLADE's grid.
std::vector<float> interpolated(const std::vector<double>& line, double r) {
  Volume volume;
  volume.geometry = test::make_geometry({1, 1, static_cast<int>(line.size())}, {1, 1, r});
  volume.voxels.assign(line.begin(), line.end());
  ThreadPool pool(1);
  const Geometry grid = isotropic_grid(volume.geometry, kAxes);
  return ResampledVolume(volume, kAxes, grid, pool).read_all(pool);
}

}  // namespace

TEST_CASE("lines are upsampled onto the common grid, whatever the factor and its remainder", "[smore]") {
  const std::vector<double> line{3, -1, 4, 1, -5, 9, 2, -6, 5, 3, 5};
  for (const double r : {2.0, 4.0, 4.9999, 5.5, 1.3, 3.09, 7.77}) {
    const std::vector<float> expected = interpolated(line, r);
    const LineUpsampling upsampling(static_cast<int>(line.size()), static_cast<int>(expected.size()), r);
    INFO("r " << r << ", " << expected.size() << " samples of " << upsampling.output_size());
    CHECK(upsampling.factor() == (r == 4.9999 ? 5 : static_cast<int>(r)));
    CHECK(upsampling.output_size() == upsampling.factor() * upsampling.input_size());
    std::vector<double> samples = line;
    std::vector<float> input(static_cast<std::size_t>(upsampling.input_size()));
    std::vector<float> output(static_cast<std::size_t>(upsampling.output_size()));
    upsampling.apply(samples.data(), input.data(), output.data());
    const auto wanted = output.begin() + upsampling.first();
    CHECK(test::relative_error(std::vector<float>(wanted, wanted + static_cast<std::ptrdiff_t>(expected.size())),
                               expected) < 1e-5);
    // A whole factor leaves the slices as they are.
    if (r == std::floor(r)) CHECK(test::relative_error(input, line) < 1e-6);
  }
}

TEST_CASE("what the network takes lies in the middle of what it makes of it", "[smore]") {
  // Far from the ends splines reproduce straight lines: a sample is the mean of those made of it.
  constexpr int kSize = 60;
  for (const double r : {2.0, 2.5, 3.09, 5.97}) {
    const int thin = static_cast<int>(kSize * r) - 1;  // also an odd surplus
    const LineUpsampling upsampling(kSize, thin, r);
    std::vector<double> line(kSize);
    for (int i = 0; i < kSize; ++i) line[static_cast<std::size_t>(i)] = i;
    std::vector<float> input(static_cast<std::size_t>(upsampling.input_size()));
    std::vector<float> output(static_cast<std::size_t>(upsampling.output_size()));
    upsampling.apply(line.data(), input.data(), output.data());
    INFO("r " << r);
    for (int m = upsampling.input_size() / 3; m < upsampling.input_size() * 2 / 3; ++m) {
      double mean = 0.0;
      for (int k = 0; k < upsampling.factor(); ++k)
        mean +=
            static_cast<double>(output[static_cast<std::size_t>(m * upsampling.factor() + k)]) / upsampling.factor();
      CHECK(static_cast<double>(input[static_cast<std::size_t>(m)]) == Approx(mean).margin(1e-4));
    }
  }
}

TEST_CASE("positions are drawn where a volume has edges", "[smore]") {
  const Volume volume = make_volume({80, 30, 20}, [](int i, int, int) { return i < 50 ? 0 : 100; });
  ThreadPool pool(2);
  const auto edges = cumulative_edges(volume, pool);
  // The Gaussian of the smoothing reaches 8 voxels.
  for (const double share : {0.001, 0.5, 0.999}) CHECK(std::abs(position_at(edges[0], share) - 49.5) < 9.0);
  // Along the edge all places are alike.
  CHECK(edges[1][14] == Approx(0.5 * edges[1].back()));
  CHECK(edges[2][4] == Approx(0.25 * edges[2].back()));
  CHECK(position_at(edges[1], 0.0) == 0);
  CHECK(position_at(edges[1], 1.0) == 29);
  for (const int threads : {1, 3}) {
    ThreadPool other(threads);
    CHECK(cumulative_edges(volume, other) == edges);
  }
}

// A symmetric profile leaves a linear volume as it is, away from the borders: thin, thick and interpolated must meet,
// and where a patch lies can be read off its values.
TEST_CASE("patches are thin, and thick along one axis, at the same place", "[smore]") {
  constexpr int kColumns = 210, kRows = 200;
  const Volume volume = make_volume({kColumns, kRows, 3}, [](int i, int j, int) { return 3 * i - 2 * j; });
  ThreadPool pool(1);
  SelfPatchOptions options;
  options.patch = 9;
  options.seed = 5;
  for (const double factor : {3.0, 2.4, 4.6}) {
    options.factor = factor;
    options.blur = factor;
    const SelfPatches patches(volume, kAxes, options, pool);
    REQUIRE(patches.rows() == 9);
    REQUIRE(patches.input_columns() == 9);
    const int columns = patches.output_columns();
    const auto at = [&](const std::vector<float>& values, int row, int column) {
      return static_cast<double>(values[static_cast<std::size_t>(row * columns + column)]);
    };
    int inside = 0, along[2] = {0, 0};
    for (std::int64_t index = 0; index < 60; ++index) {
      std::vector<float> input(81), thick(static_cast<std::size_t>(9 * columns)), thin(thick.size());
      patches.read(index, input.data(), thick.data(), thin.data());
      const double slope = at(thin, 0, 1) - at(thin, 0, 0);
      REQUIRE((slope == 3.0 || slope == -2.0));
      ++along[slope == 3.0];
      CHECK(at(thin, 1, 0) - at(thin, 0, 0) == (slope == 3.0 ? -2.0 : 3.0));
      // The blur reaches 2 factors, the margin of slices 6: their values differ where one of them meets the border.
      const bool meets_border = std::abs(at(thick, 0, 0) - at(thin, 0, 0)) > 1e-2 ||
                                std::abs(at(thick, 0, columns - 1) - at(thin, 0, columns - 1)) > 1e-2;
      if (meets_border) continue;
      ++inside;
      CHECK(test::relative_error(thick, thin) < 1e-3);
      const double middle = 0.5 * (at(thin, 4, 0) + at(thin, 4, columns - 1));
      CHECK(static_cast<double>(input[4 * 9 + 4]) == Approx(middle).margin(1e-2));
    }
    CHECK(inside > 20);
    CHECK(along[0] > 15);
    CHECK(along[1] > 15);
  }
}

TEST_CASE("a pair of patches is a function of seed and number", "[smore]") {
  ThreadPool pool(2);
  const Volume volume = test::random_volume(test::make_geometry({40, 44, 6}, {1, 1, 4}));
  const auto read = [&](std::uint64_t seed, std::int64_t index) {
    const SelfPatches patches(volume, kAxes, {4.0, 4.0, 8, seed}, pool);
    std::vector<float> input(64), thick(256), thin(256);
    patches.read(index, input.data(), thick.data(), thin.data());
    thin.insert(thin.end(), input.begin(), input.end());
    return thin;
  };
  CHECK(test::same_bits(read(1, 3), read(1, 3)));
  CHECK_FALSE(test::same_bits(read(1, 3), read(1, 4)));
  CHECK_FALSE(test::same_bits(read(1, 3), read(2, 3)));
}

TEST_CASE("a plane that is too small to learn from is refused", "[smore]") {
  ThreadPool pool(1);
  const Volume volume = test::random_volume(test::make_geometry({31, 60, 6}, {1, 1, 4}));
  const std::string message = test::error_of(ErrorCode::input, [&] {
    SelfPatches(volume, kAxes, {4.0, 4.0, 48, 0}, pool);
  });
  CHECK(message.find("31") != std::string::npos);
  CHECK(message.find("32") != std::string::npos);
}
