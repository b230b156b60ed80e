// SPDX-License-Identifier: Apache-2.0
#include "metrics/periodicity.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace clade {

namespace {

constexpr int kShortestSegment = 16;
constexpr int kLongestSegment = 128;
// The Hann window spreads a line over 2 / segment to both sides; what lies 3 and 4 away are its surroundings.
constexpr int kSurroundings[] = {3, 4};

double hann(int n, int segment) {
  const double s = std::sin(std::numbers::pi * (n + 0.5) / segment);
  return s * s;
}

// Windowed Fourier sums of segments at a few frequencies.
class Periodogram {
 public:
  Periodogram(int segment, const std::vector<double>& frequencies)
      : segment_(segment), frequencies_(frequencies.size()) {
    for (int n = 0; n < segment; ++n) {
      window_.push_back(hann(n, segment));
      weight_ += window_.back();
      energy_ += window_.back() * window_.back();
    }
    for (double frequency : frequencies)
      for (int n = 0; n < segment; ++n) {
        const double angle = 2.0 * std::numbers::pi * frequency * n;
        cosines_.push_back(window_[static_cast<std::size_t>(n)] * std::cos(angle));
        sines_.push_back(window_[static_cast<std::size_t>(n)] * std::sin(angle));
      }
  }

  // Adds the densities of one segment to `sums`; takes the weighted mean from `values`.
  void add(double* values, std::vector<double>& sums) const {
    double mean = 0.0;
    for (int n = 0; n < segment_; ++n) mean += window_[static_cast<std::size_t>(n)] * values[n];
    mean /= weight_;
    for (int n = 0; n < segment_; ++n) values[n] -= mean;
    for (std::size_t f = 0; f < frequencies_; ++f) {
      const double* cosine = cosines_.data() + f * static_cast<std::size_t>(segment_);
      const double* sine = sines_.data() + f * static_cast<std::size_t>(segment_);
      double real = 0.0, imaginary = 0.0;
      for (int n = 0; n < segment_; ++n) {
        real += cosine[n] * values[n];
        imaginary += sine[n] * values[n];
      }
      sums[f] += (real * real + imaginary * imaginary) / energy_;
    }
  }

 private:
  int segment_;
  std::size_t frequencies_;
  std::vector<double> window_, cosines_, sines_;  // the last two [frequency, n], windowed
  double weight_ = 0.0, energy_ = 0.0;
};

int segment_length(const Volume& result, int slice_axis, const Volume& acquisition) {
  int shortest = result.geometry.size[static_cast<std::size_t>(slice_axis)];
  for (int axis = 0; axis < 3; ++axis)
    if (axis != slice_axis) shortest = std::min(shortest, acquisition.geometry.size[static_cast<std::size_t>(axis)]);
  CLADE_CHECK(shortest >= kShortestSegment, ErrorCode::input, "an axis of ", shortest, " voxels, periodicity needs ",
              kShortestSegment);
  int segment = kShortestSegment;
  while (2 * segment <= std::min(shortest, kLongestSegment)) segment *= 2;
  return segment;
}

}  // namespace

std::vector<double> spectral_density(const Volume& volume, int axis, int segment,
                                     const std::vector<double>& frequencies, ThreadPool& pool) {
  const Geometry& geometry = volume.geometry;
  const int size = geometry.size[static_cast<std::size_t>(axis)];
  CLADE_CHECK(segment >= 8 && segment <= size, ErrorCode::usage, "segments of ", segment, " voxels on an axis of ",
              size);
  const Periodogram periodogram(segment, frequencies);
  const std::int64_t stride = geometry.stride(axis);
  const std::int64_t lines = geometry.voxel_count() / size;
  const int hop = segment / 2;

  // Lines in pieces whose sums are added in order, whichever thread made them.
  constexpr std::int64_t kLines = 256;
  const std::int64_t pieces = (lines + kLines - 1) / kLines;
  std::vector<std::vector<double>> sums(static_cast<std::size_t>(pieces), std::vector<double>(frequencies.size(), 0.0));
  pool.parallel_for(pieces, [&](std::int64_t piece) {
    std::vector<double> values(static_cast<std::size_t>(segment));
    for (std::int64_t line = piece * kLines; line < std::min(lines, (piece + 1) * kLines); ++line) {
      const float* start = volume.voxels.data() + line / stride * stride * size + line % stride;
      for (int first = 0; first + segment <= size; first += hop) {
        for (int n = 0; n < segment; ++n)
          values[static_cast<std::size_t>(n)] = static_cast<double>(start[(first + n) * stride]);
        periodogram.add(values.data(), sums[static_cast<std::size_t>(piece)]);
      }
    }
  });
  std::vector<double> density(frequencies.size(), 0.0);
  const int segments = (size - segment) / hop + 1;
  for (const auto& piece : sums)
    for (std::size_t f = 0; f < density.size(); ++f) density[f] += piece[f] / (static_cast<double>(lines) * segments);
  return density;
}

std::vector<PeriodEnergy> periodicity(const Volume& result, int slice_axis, const Volume& acquisition,
                                      const std::vector<double>& periods, ThreadPool& pool) {
  const int segment = segment_length(result, slice_axis, acquisition);
  // For each period its own frequency, then two below and two above.
  constexpr std::size_t kPoints = 1 + 2 * std::size(kSurroundings);
  std::vector<double> centres, frequencies;
  for (double period : periods) {
    CLADE_CHECK(period >= 2.0, ErrorCode::usage, "a period of ", period, " voxels, at least 2 can be seen");
    centres.push_back(1.0 / period);
    frequencies.push_back(1.0 / period);
    for (int side : {-1, 1})
      for (int bins : kSurroundings) frequencies.push_back(1.0 / period + side * bins / static_cast<double>(segment));
  }
  const std::vector<double> along = spectral_density(result, slice_axis, segment, frequencies, pool);
  std::vector<double> in_plane(centres.size(), 0.0);
  for (int axis = 0; axis < 3; ++axis) {
    if (axis == slice_axis) continue;
    const std::vector<double> density = spectral_density(acquisition, axis, segment, centres, pool);
    for (std::size_t i = 0; i < centres.size(); ++i) in_plane[i] += 0.5 * density[i];
  }

  std::vector<PeriodEnergy> energies;
  for (std::size_t i = 0; i < centres.size(); ++i) {
    CLADE_CHECK(in_plane[i] > 0.0, ErrorCode::input, "the acquisition has no detail of period ", periods[i]);
    const double* density = along.data() + i * kPoints;
    PeriodEnergy energy{periods[i], density[0] / in_plane[i], {}, {}};
    const double surroundings = std::sqrt((density[1] + density[2]) * (density[3] + density[4])) / 2.0;
    // The mean is taken out of a segment, and with it what is slower than the segment is long.
    const bool separable = centres[i] - kSurroundings[1] / static_cast<double>(segment) > 0.99 / segment;
    if (separable && surroundings > 0.0) {
      energy.peak = density[0] / surroundings;
      energy.excess = std::max(0.0, density[0] - surroundings) / in_plane[i];
    }
    energies.push_back(energy);
  }
  return energies;
}

double seam_contrast(const Volume& volume, int axis, int stride, ThreadPool& pool) {
  const Geometry& geometry = volume.geometry;
  const int size = geometry.size[static_cast<std::size_t>(axis)];
  CLADE_CHECK(stride >= 2, ErrorCode::usage, "tiles every ", stride, " voxels, expected 2 or more");
  CLADE_CHECK(size >= 3 * stride, ErrorCode::input, "an axis of ", size, " voxels, seams every ", stride, " need ",
              3 * stride);

  const std::int64_t inner = geometry.stride(axis);
  const std::int64_t outer = geometry.voxel_count() / (inner * size);
  std::vector<double> steps(static_cast<std::size_t>(size - 1));  // from slice n to n + 1
  pool.parallel_for(size - 1, [&](std::int64_t n) {
    double sum = 0.0;
    for (std::int64_t o = 0; o < outer; ++o) {
      const float* here = volume.voxels.data() + (o * size + n) * inner;
      for (std::int64_t i = 0; i < inner; ++i)
        sum += std::abs(static_cast<double>(here[inner + i]) - static_cast<double>(here[i]));
    }
    steps[static_cast<std::size_t>(n)] = sum / static_cast<double>(inner * outer);
  });

  // A window of one stride holds every remainder once, so seams do not change with its place.
  std::vector<double> sums(static_cast<std::size_t>(stride), 0.0), counts = sums;
  for (int n = stride / 2; n - stride / 2 + stride <= size - 1; ++n) {
    double around = 0.0;
    for (int i = 0; i < stride; ++i) around += steps[static_cast<std::size_t>(n - stride / 2 + i)] / stride;
    if (!(around > 0.0)) continue;
    const auto phase = static_cast<std::size_t>(n % stride);
    sums[phase] += steps[static_cast<std::size_t>(n)] / around;
    counts[phase] += 1.0;
  }
  double largest = 0.0;
  for (std::size_t phase = 0; phase < sums.size(); ++phase)
    if (counts[phase] > 0.0) largest = std::max(largest, sums[phase] / counts[phase]);
  CLADE_CHECK(largest > 0.0, ErrorCode::input, "all slices are the same");
  return largest;
}

}  // namespace clade
