// SPDX-License-Identifier: Apache-2.0
#include "metrics/piqe.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/error.h"

namespace clade {

namespace {

// Constants of the paper and of the program its authors published with it.
constexpr int kBlock = 16;
constexpr int kSegment = 6;
constexpr double kActivityThreshold = 0.1;  // variance of a block
constexpr double kImpairedThreshold = 0.1;  // standard deviation of a segment
constexpr int kRadius = 3;
constexpr double kGaussianSigma = 7.0 / 6.0;

struct Plate {
  int rows, columns;
  std::vector<double> values;
  double& at(int row, int column) { return values[static_cast<std::size_t>(row) * columns + column]; }
  double at(int row, int column) const { return values[static_cast<std::size_t>(row) * columns + column]; }
};

int round_up(int size) { return (size + kBlock - 1) / kBlock * kBlock; }

// Repeats the last row and column until blocks fit.
Plate padded(const SliceImage& image) {
  Plate plate{round_up(image.rows), round_up(image.columns), {}};
  plate.values.reserve(static_cast<std::size_t>(plate.rows) * plate.columns);
  for (int row = 0; row < plate.rows; ++row) {
    const float* line = image.pixels.data() + static_cast<std::size_t>(std::min(row, image.rows - 1)) * image.columns;
    for (int column = 0; column < plate.columns; ++column)
      plate.values.push_back(static_cast<double>(line[std::min(column, image.columns - 1)]));
  }
  return plate;
}

// 7 x 7 Gaussian of sum 1, border repeated; rows first, then columns.
Plate blurred(const Plate& in) {
  std::array<double, 2 * kRadius + 1> weights{};
  double sum = 0.0;
  for (int i = -kRadius; i <= kRadius; ++i)
    sum += weights[static_cast<std::size_t>(i + kRadius)] = std::exp(-i * i / (2.0 * kGaussianSigma * kGaussianSigma));
  Plate across{in.rows, in.columns, std::vector<double>(in.values.size())};
  Plate out = across;
  for (int row = 0; row < in.rows; ++row)
    for (int column = 0; column < in.columns; ++column)
      for (int i = -kRadius; i <= kRadius; ++i)
        across.at(row, column) += weights[static_cast<std::size_t>(i + kRadius)] / sum *
                                  in.at(row, std::clamp(column + i, 0, in.columns - 1));
  for (int row = 0; row < in.rows; ++row)
    for (int i = -kRadius; i <= kRadius; ++i)
      for (int column = 0; column < in.columns; ++column)
        out.at(row, column) += weights[static_cast<std::size_t>(i + kRadius)] / sum *
                               across.at(std::clamp(row + i, 0, in.rows - 1), column);
  return out;
}

// Mean-subtracted contrast-normalised coefficients.
Plate normalized(const Plate& image) {
  Plate squares = image;
  for (double& value : squares.values) value *= value;
  const Plate mean = blurred(image);
  const Plate mean_square = blurred(squares);
  Plate result = image;
  for (std::size_t i = 0; i < result.values.size(); ++i) {
    const double mu = mean.values[i];
    result.values[i] = (image.values[i] - mu) / (std::sqrt(std::abs(mean_square.values[i] - mu * mu)) + 1.0);
  }
  return result;
}

// With n - 1.
template <class Values>
double variance(const Values& values) {
  double sum = 0.0;
  for (double value : values) sum += value;
  const double n = static_cast<double>(values.size());
  double squares = 0.0;
  for (double value : values) squares += (value - sum / n) * (value - sum / n);
  return squares / (n - 1.0);
}

using Block = std::array<double, kBlock * kBlock>;  // [row, column]

bool has_flat_edge(const Block& block) {
  const auto flat = [&](int start, int step) {
    for (int first = 0; first + kSegment <= kBlock; ++first) {
      std::array<double, kSegment> segment{};
      for (int i = 0; i < kSegment; ++i)
        segment[static_cast<std::size_t>(i)] = block[static_cast<std::size_t>(start + (first + i) * step)];
      if (std::sqrt(variance(segment)) < kImpairedThreshold) return true;
    }
    return false;
  };
  return flat(0, 1) || flat((kBlock - 1) * kBlock, 1) || flat(0, kBlock) || flat(kBlock - 1, kBlock);
}

// The two middle columns against the rest of the block. The published program takes columns 7 and 9 (from 0) out of
// the rest, not 7 and 8; scores move by up to 0.1, so this follows it.
bool is_noisy(const Block& block, double block_variance) {
  std::vector<double> centre, surround;
  for (int i = 0; i < kBlock * kBlock; ++i) {
    const int column = i % kBlock;
    const double value = block[static_cast<std::size_t>(i)];
    if (column == 7 || column == 8) centre.push_back(value);
    if (column != 7 && column != 9) surround.push_back(value);
  }
  const double surround_deviation = std::sqrt(variance(surround));
  const double ratio = surround_deviation > 0.0 ? std::sqrt(variance(centre)) / surround_deviation : 0.0;
  const double deviation = std::sqrt(block_variance);
  const double beta = std::abs(deviation - ratio) / std::max(deviation, ratio);
  return deviation > 2.0 * beta;
}

}  // namespace

PiqeScore piqe(const SliceImage& grey) {
  const Plate image = normalized(padded(grey));
  PiqeScore result;
  double distortion = 0.0;
  for (int top = 0; top < image.rows; top += kBlock)
    for (int left = 0; left < image.columns; left += kBlock) {
      Block block;
      for (int i = 0; i < kBlock * kBlock; ++i)
        block[static_cast<std::size_t>(i)] = image.at(top + i / kBlock, left + i % kBlock);
      const double v = variance(block);
      if (!(v > kActivityThreshold)) continue;
      ++result.active_blocks;
      if (has_flat_edge(block)) {
        ++result.artifact_blocks;
        distortion += 1.0 - v;
      }
      if (is_noisy(block, v)) {
        ++result.noise_blocks;
        distortion += v;
      }
    }
  result.score = 100.0 * (distortion + 1.0) / (result.active_blocks + 1.0);
  return result;
}

float grey_value(const IntensityMap& map, float voxel) {
  const double share = (static_cast<double>(voxel) - map.low) / (map.high - map.low);
  return static_cast<float>(std::round(255.0 * std::clamp(share, 0.0, 1.0)));
}

std::vector<PiqeScore> piqe_slices(const Volume& volume, Plane plane, const IntensityMap& map, ThreadPool& pool) {
  const SliceCutter cutter(volume.geometry, plane);
  std::vector<PiqeScore> scores(static_cast<std::size_t>(cutter.count()));
  pool.parallel_for(cutter.count(), [&](std::int64_t index) {
    SliceImage image = cutter.cut(volume.voxels, static_cast<int>(index));
    for (float& pixel : image.pixels) pixel = grey_value(map, pixel);
    scores[static_cast<std::size_t>(index)] = piqe(image);
  });
  return scores;
}

PiqePlaneScore average_piqe(const std::vector<PiqeScore>& slices, const std::vector<PiqeScore>& baseline) {
  CLADE_CHECK(slices.size() == baseline.size(), ErrorCode::input, slices.size(), " slices, the baseline has ",
              baseline.size());
  PiqePlaneScore result;
  std::vector<double> counted;
  for (std::size_t i = 0; i < slices.size(); ++i) {
    if (baseline[i].active_blocks == 0) {
      ++result.empty;
      continue;
    }
    counted.push_back(slices[i].score);
    if (slices[i].active_blocks == 0) ++result.lost;
  }
  result.summary = summarize(counted);
  return result;
}

}  // namespace clade
