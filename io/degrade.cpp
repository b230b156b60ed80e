// SPDX-License-Identifier: Apache-2.0
#include "io/degrade.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "core/philox.h"
#include "io/line_border.h"

namespace clade {

namespace {

// Half width of the Gaussian that is integrated, in standard deviations: 6e-5 of its area lies outside.
constexpr double kGaussianReach = 4.0;
// Samples along an axis that no scanner makes.
constexpr double kMaxSamples = 1 << 20;

// Share of the profile that lies below position x; x and thickness in input samples, the centre at 0.
double profile_below(SliceProfile profile, double thickness, double x) {
  if (profile == SliceProfile::boxcar) return std::clamp(x / thickness + 0.5, 0.0, 1.0);
  const double sigma = thickness / (2.0 * std::sqrt(2.0 * std::numbers::ln2));
  return 0.5 * std::erfc(-x / (sigma * std::numbers::sqrt2));
}

double profile_reach(SliceProfile profile, double thickness) {
  if (profile == SliceProfile::boxcar) return 0.5 * thickness;
  return kGaussianReach * thickness / (2.0 * std::sqrt(2.0 * std::numbers::ln2));
}

}  // namespace

SliceProfile parse_slice_profile(std::string_view name) {
  if (name == "gaussian") return SliceProfile::gaussian;
  if (name == "boxcar") return SliceProfile::boxcar;
  fail(ErrorCode::usage, "unknown slice profile '", name, "', expected gaussian or boxcar");
}

std::vector<ProfileTap> profile_taps(SliceProfile profile, double thickness, double centre, int size) {
  const double reach = profile_reach(profile, thickness);
  std::vector<ProfileTap> taps;
  double sum = 0.0;
  for (double m = std::floor(centre - reach + 0.5); m - 0.5 < centre + reach; ++m) {
    const double weight =
        profile_below(profile, thickness, m + 0.5 - centre) - profile_below(profile, thickness, m - 0.5 - centre);
    taps.push_back({half_sample_reflected(static_cast<std::int64_t>(m), size), weight});
    sum += weight;
  }
  for (ProfileTap& tap : taps) tap.weight /= sum;
  return taps;
}

Volume degrade(const Volume& volume, const DegradeOptions& options, ThreadPool& pool) {
  const Geometry& from = volume.geometry;
  const auto axis = static_cast<std::size_t>(options.axis);
  const int size = from.size[axis];
  const double old_spacing = from.spacing[axis];
  const double extent = size * old_spacing;
  CLADE_CHECK(options.thickness > 0.0 && options.thickness <= extent, ErrorCode::usage, "slice thickness ",
              options.thickness, " mm, expected more than 0 and at most the ", extent, " mm of the field of view");
  CLADE_CHECK(options.spacing > 0.0 && extent / options.spacing < kMaxSamples, ErrorCode::usage, "slice spacing ",
              options.spacing, " mm");
  const int new_size = std::max(1, static_cast<int>(std::floor(extent / options.spacing + 0.5)));

  Volume result = volume_like(volume, resample_axis(from, options.axis, new_size, options.spacing));
  result.voxels.resize(static_cast<std::size_t>(result.geometry.voxel_count()));

  // The volume as [outer][slice][inner], inner contiguous.
  const std::int64_t inner = from.stride(options.axis);
  const std::int64_t outer = from.voxel_count() / (inner * size);
  const double s = options.spacing / old_spacing;
  pool.parallel_for(new_size, [&](std::int64_t j) {
    const double centre = s * (static_cast<double>(j) + 0.5) - 0.5 + 0.5 * (size - s * new_size);
    const std::vector<ProfileTap> taps = profile_taps(options.profile, options.thickness / old_spacing, centre, size);
    for (std::int64_t o = 0; o < outer; ++o) {
      const float* in = volume.voxels.data() + o * size * inner;
      float* out = result.voxels.data() + (o * new_size + j) * inner;
      for (std::int64_t i = 0; i < inner; ++i) {
        double sum = 0.0;
        for (const ProfileTap& tap : taps) sum += tap.weight * in[tap.index * inner + i];
        out[i] = static_cast<float>(sum);
      }
    }
  });
  return result;
}

void add_noise(Volume& volume, NoiseKind kind, double sd, std::uint64_t seed, ThreadPool& pool) {
  CLADE_CHECK(sd >= 0.0 && std::isfinite(sd), ErrorCode::usage, "noise of standard deviation ", sd);
  constexpr std::int64_t kPiece = 1 << 14;
  const std::int64_t count = volume.geometry.voxel_count();
  pool.parallel_for((count + kPiece - 1) / kPiece, [&](std::int64_t piece) {
    for (std::int64_t i = piece * kPiece; i < std::min(count, (piece + 1) * kPiece); ++i) {
      RandomSequence random(seed, RandomUse::fill, static_cast<std::uint64_t>(i));
      float& voxel = volume.voxels[static_cast<std::size_t>(i)];
      const double real = static_cast<double>(voxel) + sd * random.next_normal();
      voxel = static_cast<float>(kind == NoiseKind::gaussian ? real : std::hypot(real, sd * random.next_normal()));
    }
  });
}

}  // namespace clade
