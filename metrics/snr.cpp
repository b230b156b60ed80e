// SPDX-License-Identifier: Apache-2.0
#include "metrics/snr.h"

#include <cmath>

#include "core/error.h"

namespace clade {

namespace {

constexpr double kNoNoise = 1e-6;

double mean(const Volume& volume, const Region& region) {
  double sum = 0.0;
  for (std::int64_t voxel : region) sum += static_cast<double>(volume.voxels[static_cast<std::size_t>(voxel)]);
  return sum / static_cast<double>(region.size());
}

}  // namespace

SignalToNoise signal_to_noise(const Volume& volume, const Region& signal, const Region& air) {
  CLADE_CHECK(!signal.empty() && air.size() >= 2, ErrorCode::usage, "SNR of ", signal.size(), " voxels of signal and ",
              air.size(), " of air; at least 1 and 2 are needed");
  SignalToNoise result;
  result.signal = mean(volume, signal);
  const double air_mean = mean(volume, air);
  double squares = 0.0;
  for (std::int64_t voxel : air) {
    const double difference = static_cast<double>(volume.voxels[static_cast<std::size_t>(voxel)]) - air_mean;
    squares += difference * difference;
  }
  result.noise = std::sqrt(squares / static_cast<double>(air.size() - 1));
  if (result.noise > kNoNoise * std::abs(result.signal)) result.ratio = result.signal / result.noise;
  return result;
}

}  // namespace clade
