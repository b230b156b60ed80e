// SPDX-License-Identifier: Apache-2.0
#include "metrics/piqe.h"

#include <cmath>

#include "core/philox.h"
#include "tests/support/errors.h"
#include "tests/support/volumes.h"

using namespace clade;
using clade::test::error_of;
using clade::test::make_geometry;

namespace {

double deviation(const std::vector<double>& values) {
  double mean = 0.0, squares = 0.0;
  for (double v : values) mean += v / static_cast<double>(values.size());
  for (double v : values) squares += (v - mean) * (v - mean);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

// The published steps one after the other, without any of the library's short cuts.
PiqeScore straight_piqe(const SliceImage& grey) {
  const int rows = (grey.rows + 15) / 16 * 16, columns = (grey.columns + 15) / 16 * 16;
  const auto pixel = [&](int r, int c) {
    // Beyond the padded picture its border goes on, which is the border of the picture itself at the far ends.
    r = std::min(std::max(r, 0), grey.rows - 1);
    c = std::min(std::max(c, 0), grey.columns - 1);
    return static_cast<double>(grey.pixels[static_cast<std::size_t>(r * grey.columns + c)]);
  };
  std::vector<std::vector<double>> mscn(static_cast<std::size_t>(rows),
                                        std::vector<double>(static_cast<std::size_t>(columns)));
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < columns; ++c) {
      double weights = 0.0, sum = 0.0, squares = 0.0;
      for (int y = -3; y <= 3; ++y)
        for (int x = -3; x <= 3; ++x) {
          const double weight = std::exp(-(x * x + y * y) / (2.0 * (7.0 / 6.0) * (7.0 / 6.0)));
          weights += weight;
          sum += weight * pixel(r + y, c + x);
          squares += weight * pixel(r + y, c + x) * pixel(r + y, c + x);
        }
      const double mu = sum / weights;
      mscn[static_cast<std::size_t>(r)][static_cast<std::size_t>(c)] =
          (pixel(r, c) - mu) / (std::sqrt(std::abs(squares / weights - mu * mu)) + 1.0);
    }
  PiqeScore result;
  double distortion = 0.0;
  for (int top = 0; top < rows; top += 16)
    for (int left = 0; left < columns; left += 16) {
      const auto at = [&](int r, int c) {
        return mscn[static_cast<std::size_t>(top + r)][static_cast<std::size_t>(left + c)];
      };
      std::vector<double> all, centre, surround;
      for (int r = 0; r < 16; ++r)
        for (int c = 0; c < 16; ++c) {
          all.push_back(at(r, c));
          if (c == 7 || c == 8) centre.push_back(at(r, c));
          if (c != 7 && c != 9) surround.push_back(at(r, c));
        }
      const double sigma = deviation(all), v = sigma * sigma;
      if (v <= 0.1) continue;
      ++result.active_blocks;
      bool flat = false;
      for (int first = 0; first <= 10; ++first) {
        std::vector<double> north, south, west, east;
        for (int i = first; i < first + 6; ++i) {
          north.push_back(at(0, i));
          south.push_back(at(15, i));
          west.push_back(at(i, 0));
          east.push_back(at(i, 15));
        }
        for (const auto& segment : {north, south, west, east}) flat = flat || deviation(segment) < 0.1;
      }
      const double ratio = deviation(centre) / deviation(surround);
      const bool noisy = sigma > 2.0 * std::abs(sigma - ratio) / std::max(sigma, ratio);
      result.artifact_blocks += flat;
      result.noise_blocks += noisy;
      distortion += flat * (1.0 - v) + noisy * v;
    }
  result.score = (distortion + 1.0) / (result.active_blocks + 1.0) * 100.0;
  return result;
}

// Waves of several lengths, flat places and noise: every branch of the algorithm is taken.
SliceImage test_picture(int rows, int columns, double noise) {
  SliceImage image{rows, columns, {}};
  RandomSequence random(3, RandomUse::test, static_cast<std::uint64_t>(rows));
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < columns; ++c) {
      double value = 128.0;
      if ((r / 24 + c / 40) % 3 != 0) value += 60.0 * std::sin(0.02 * r * c / 7.0) + noise * random.next_normal();
      if (r > rows / 2 && c > columns / 2) value = c % 20 < 10 ? 60.0 : 180.0;
      image.pixels.push_back(static_cast<float>(std::round(std::min(255.0, std::max(0.0, value)))));
    }
  return image;
}

}  // namespace

TEST_CASE("PIQE follows the published steps", "[piqe]") {
  for (const double noise : {0.0, 4.0, 25.0})
    for (const auto& [rows, columns] : {std::pair{96, 128}, {97, 130}, {15, 33}}) {
      INFO(rows << " x " << columns << ", noise " << noise);
      const SliceImage image = test_picture(rows, columns, noise);
      const PiqeScore actual = piqe(image), expected = straight_piqe(image);
      CHECK(actual.score == Approx(expected.score).epsilon(1e-9));
      CHECK(actual.active_blocks == expected.active_blocks);
      CHECK(actual.artifact_blocks == expected.artifact_blocks);
      CHECK(actual.noise_blocks == expected.noise_blocks);
    }
  const PiqeScore mixed = piqe(test_picture(96, 128, 4.0));
  CHECK(mixed.artifact_blocks > 0);
  CHECK(mixed.noise_blocks > 0);
  CHECK(mixed.active_blocks > mixed.artifact_blocks);
}

TEST_CASE("PIQE agrees with another implementation", "[piqe]") {
  // Blocks, ramps, noise on the right and a flat corner, in whole numbers; score by pypiqe 1.2.
  SliceImage image{96, 128, {}};
  std::uint32_t state = 1;
  for (int r = 0; r < 96; ++r)
    for (int c = 0; c < 128; ++c) {
      state = state * 1664525u + 1013904223u;
      int value = 20 + (r / 24 * 37 + c / 20 * 53) % 160 + (r * c / 16) % 24;
      if (c >= 64) value += static_cast<int>(state >> 27);
      if (r >= 64 && c < 48) value = 60;
      image.pixels.push_back(static_cast<float>(value));
    }
  image.pixels[0] = 255.0f;
  CHECK(piqe(image).score == Approx(65.31287710186565).epsilon(1e-9));
}

TEST_CASE("a flat picture has nothing to judge and scores 100", "[piqe]") {
  const PiqeScore score = piqe({40, 40, std::vector<float>(1600, 17.0f)});
  CHECK(score.active_blocks == 0);
  CHECK(score.score == 100.0);
}

TEST_CASE("PIQE takes a checkerboard for quality", "[piqe]") {
  // The reason why metrics/periodicity.h exists; if this ever fails, the documentation is wrong.
  SliceImage image{128, 128, {}}, checkered = image;
  for (int r = 0; r < 128; ++r)
    for (int c = 0; c < 128; ++c) {
      const double value = 128.0 + 50.0 * std::sin(r / 9.0) * std::cos(c / 11.0);
      image.pixels.push_back(static_cast<float>(std::round(value)));
      checkered.pixels.push_back(static_cast<float>(std::round(value + ((r + c) % 2 == 0 ? 3.0 : -3.0))));
    }
  CHECK(piqe(checkered).score < piqe(image).score - 10.0);
}

TEST_CASE("one grey map for a volume, rounded and clipped", "[piqe]") {
  const IntensityMap map{-100.0, 410.0, 0.9};
  CHECK(grey_value(map, -100.0f) == 0.0f);
  CHECK(grey_value(map, 410.0f) == 255.0f);
  CHECK(grey_value(map, -3000.0f) == 0.0f);
  CHECK(grey_value(map, 3000.0f) == 255.0f);
  CHECK(grey_value(map, -97.1f) == 1.0f);
  CHECK(grey_value(map, -99.1f) == 0.0f);
}

TEST_CASE("slices are the same pictures however the volume is stored", "[piqe]") {
  // Stored right to left, anterior to posterior, superior to inferior, with i = S, j = L, k = P.
  Volume volume = test::random_volume(make_geometry({6, 5, 4}, {1, 1, 1}));  // i to right, j to anterior, k to superior
  Volume other;
  other.geometry = make_geometry({4, 6, 5}, {1, 1, 1});
  other.geometry.affine = {{{0, -1, 0, 0}, {0, 0, -1, 0}, {-1, 0, 0, 0}}};
  other.voxels.resize(volume.voxels.size());
  for (int i = 0; i < 6; ++i)
    for (int j = 0; j < 5; ++j)
      for (int k = 0; k < 4; ++k)
        other.voxels[static_cast<std::size_t>((3 - k) + 4 * ((5 - i) + 6 * (4 - j)))] =
            volume.voxels[static_cast<std::size_t>(i + 6 * (j + 5 * k))];
  for (Plane plane : {Plane::sagittal, Plane::coronal, Plane::axial}) {
    const SliceCutter a(volume.geometry, plane), b(other.geometry, plane);
    REQUIRE(a.count() == b.count());
    for (int slice = 0; slice < a.count(); ++slice) {
      const SliceImage left = a.cut(volume.voxels, slice), right = b.cut(other.voxels, a.count() - 1 - slice);
      CHECK(left.rows == right.rows);
      CHECK(left.pixels == right.pixels);
    }
  }
  // Row 0 is superior, column 0 anterior.
  const SliceImage sagittal = SliceCutter(volume.geometry, Plane::sagittal).cut(volume.voxels, 2);
  CHECK(sagittal.rows == 4);
  CHECK(sagittal.columns == 5);
  CHECK(sagittal.pixels[1] == volume.voxels[2 + 6 * (3 + 5 * 3)]);
}

TEST_CASE("slices without active blocks are counted, never averaged in silently", "[piqe]") {
  const PiqeScore good{30.0, 5, 1, 1}, better{20.0, 5, 0, 1}, none{};
  const PiqePlaneScore own = average_piqe({good, none, better, none}, {good, none, better, none});
  CHECK(own.summary.count == 2);
  CHECK(own.summary.mean == Approx(25.0));
  CHECK(own.summary.sd == Approx(std::sqrt(50.0)));
  CHECK(own.empty == 2);
  CHECK(own.lost == 0);
  // A method that wiped a slice out pays for it; texture it made up in an empty slice brings nothing.
  const PiqePlaneScore wiped = average_piqe({good, better, none, none}, {good, none, better, none});
  CHECK(wiped.summary.count == 2);
  CHECK(wiped.summary.mean == Approx(65.0));
  CHECK(wiped.lost == 1);
  CHECK(average_piqe({none, none}, {none, none}).summary.count == 0);
  error_of(ErrorCode::input, [&] { average_piqe({good}, {good, none}); });
}

TEST_CASE("all slices of a volume, whatever the number of threads", "[piqe]") {
  const Volume volume = test::random_volume(make_geometry({40, 33, 5}, {1, 1, 3}));
  const IntensityMap map{0.0, 1000.0, 0.9};
  ThreadPool one(1), three(3);
  const std::vector<PiqeScore> scores = piqe_slices(volume, Plane::axial, map, three);
  REQUIRE(scores.size() == 5);
  const std::vector<PiqeScore> again = piqe_slices(volume, Plane::axial, map, one);
  for (std::size_t i = 0; i < scores.size(); ++i) CHECK(scores[i].score == again[i].score);
  SliceImage slice = SliceCutter(volume.geometry, Plane::axial).cut(volume.voxels, 3);
  for (float& pixel : slice.pixels) pixel = std::round(pixel * 0.255f);
  CHECK(scores[3].score == Approx(straight_piqe(slice).score).epsilon(1e-9));
}
