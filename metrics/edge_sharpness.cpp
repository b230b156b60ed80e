// SPDX-License-Identifier: Apache-2.0
#include "metrics/edge_sharpness.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "core/error.h"
#include "metrics/spline_sampler.h"

namespace clade {

namespace {

using Vector = std::array<double, 3>;
using Matrix = std::array<Vector, 3>;

// Only the steepest voxels are looked at.
constexpr double kCandidateShare = 0.02;
constexpr double kThroughPlaneCosine = 0.8660254037844386;  // 30 degrees
constexpr double kInPlaneCosine = 0.5;                      // 60 degrees

double dot(const Vector& a, const Vector& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
double norm(const Vector& a) { return std::sqrt(dot(a, a)); }
Vector moved(const Vector& a, const Vector& direction, double length) {
  return {a[0] + length * direction[0], a[1] + length * direction[1], a[2] + length * direction[2]};
}

// World millimetres to voxel indices.
class WorldToIndex {
 public:
  explicit WorldToIndex(const Affine& affine) {
    const auto m = [&](std::size_t row, std::size_t column) { return affine[row % 3][column % 3]; };
    double determinant = 0.0;
    for (std::size_t i = 0; i < 3; ++i)
      for (std::size_t j = 0; j < 3; ++j) {
        inverse_[j][i] = m(i + 1, j + 1) * m(i + 2, j + 2) - m(i + 1, j + 2) * m(i + 2, j + 1);
        if (i == 0) determinant += m(0, j) * inverse_[j][0];
        origin_[i] = affine[i][3];
      }
    for (Vector& row : inverse_)
      for (double& value : row) value /= determinant;
  }
  Vector operator()(const Vector& world) const {
    const Vector from_origin = moved(world, origin_, -1.0);
    return {dot(inverse_[0], from_origin), dot(inverse_[1], from_origin), dot(inverse_[2], from_origin)};
  }
  // Gradient per mm along the world axes of a gradient per voxel along i, j, k.
  Vector gradient(const Vector& per_voxel) const {
    Vector result{};
    for (std::size_t axis = 0; axis < 3; ++axis) result = moved(result, inverse_[axis], per_voxel[axis]);
    return result;
  }

 private:
  Matrix inverse_{};
  Vector origin_{};
};

bool inside(const Geometry& geometry, const Vector& index) {
  // Rounding may put the end of a profile a little beyond the last voxel.
  constexpr double tolerance = 1e-6;
  for (std::size_t axis = 0; axis < 3; ++axis)
    if (!(index[axis] >= -tolerance && index[axis] <= geometry.size[axis] - 1 + tolerance)) return false;
  return true;
}

Vector axis_direction(const Geometry& geometry, int axis) {
  const auto a = static_cast<std::size_t>(axis);
  Vector direction{geometry.affine[0][a], geometry.affine[1][a], geometry.affine[2][a]};
  const double length = norm(direction);
  for (double& value : direction) value /= length;
  return direction;
}

bool wanted(EdgeDirection direction, double cosine) {
  switch (direction) {
    case EdgeDirection::any:
      return true;
    case EdgeDirection::through_plane:
      return cosine >= kThroughPlaneCosine;
    case EdgeDirection::in_plane:
      return cosine <= kInPlaneCosine;
  }
  fail(ErrorCode::internal, "edge direction ", static_cast<int>(direction));
}

struct Candidate {
  float strength;
  std::int64_t voxel;
};

// Upper half of the bits: positive floats are ordered as their bits are.
std::uint32_t bin_of(float strength) { return std::bit_cast<std::uint32_t>(strength) >> 16; }

}  // namespace

std::optional<double> steepest_slope(std::span<const double> samples, double step) {
  CLADE_CHECK(samples.size() >= 5, ErrorCode::usage, "a profile of ", samples.size(),
              " samples, at least 5 are needed");
  double steepest = 0.0, low = 0.0, high = 0.0;
  for (std::size_t i = 2; i + 2 < samples.size(); ++i) {
    const double* s = samples.data() + i;
    const double value = (-3.0 * s[-2] + 12.0 * s[-1] + 17.0 * s[0] + 12.0 * s[1] - 3.0 * s[2]) / 35.0;
    const double slope = (s[-2] - 8.0 * s[-1] + 8.0 * s[1] - s[2]) / (12.0 * step);
    steepest = std::max(steepest, std::abs(slope));
    low = i == 2 ? value : std::min(low, value);
    high = i == 2 ? value : std::max(high, value);
  }
  if (!(high > low)) return {};
  return steepest / (high - low);
}

std::vector<Profile> find_edges(const Volume& volume, const EdgeSearch& search) {
  const Geometry& geometry = volume.geometry;
  const WorldToIndex to_index(geometry.affine);
  const Vector slice_direction = axis_direction(geometry, search.slice_axis);
  const std::int64_t row = geometry.stride(1), slice = geometry.stride(2);
  const auto gradient_at = [&](std::int64_t voxel) {
    const float* v = volume.voxels.data() + voxel;
    const auto half_step = [&](std::int64_t stride) {
      return 0.5 * (static_cast<double>(v[stride]) - static_cast<double>(v[-stride]));
    };
    return to_index.gradient({half_step(1), half_step(row), half_step(slice)});
  };

  // Calls body(strength, voxel) for the voxels whose gradient has the wanted direction.
  const auto each_candidate = [&](const auto& body) {
    for (int k = 1; k + 1 < geometry.size[2]; ++k)
      for (int j = 1; j + 1 < geometry.size[1]; ++j)
        for (int i = 1; i + 1 < geometry.size[0]; ++i) {
          const std::int64_t voxel = i + j * row + k * slice;
          const Vector gradient = gradient_at(voxel);
          const double strength = norm(gradient);
          if (strength > 0.0 && wanted(search.direction, std::abs(dot(gradient, slice_direction)) / strength))
            body(static_cast<float>(strength), voxel);
        }
  };
  // A histogram says from where on voxels have to be remembered; all of them would take more memory than the volume.
  std::vector<std::int64_t> histogram(1 << 16, 0);
  std::int64_t count = 0;
  each_candidate([&](float strength, std::int64_t) {
    ++histogram[bin_of(strength)];
    ++count;
  });
  std::uint32_t weakest = 1 << 16;
  for (std::int64_t above = 0;
       weakest > 0 && static_cast<double>(above) < kCandidateShare * static_cast<double>(count);)
    above += histogram[--weakest];
  std::vector<Candidate> candidates;
  each_candidate([&](float strength, std::int64_t voxel) {
    if (bin_of(strength) >= weakest) candidates.push_back({strength, voxel});
  });
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return a.strength != b.strength ? a.strength > b.strength : a.voxel < b.voxel;
  });

  std::vector<Profile> profiles;
  std::vector<Vector> middles;
  for (const Candidate& candidate : candidates) {
    if (static_cast<int>(profiles.size()) >= search.count) break;
    const std::int64_t v = candidate.voxel;
    const std::int64_t i = v % row, j = v % slice / row, k = v / slice;
    const Vector middle = geometry.world({static_cast<double>(i), static_cast<double>(j), static_cast<double>(k)});
    const bool near = std::any_of(middles.begin(), middles.end(), [&](const Vector& other) {
      return norm(moved(middle, other, -1.0)) < search.separation;
    });
    if (near) continue;
    const Vector gradient = gradient_at(v);
    const double half = 0.5 * search.length / norm(gradient);
    const Profile profile{moved(middle, gradient, -half), moved(middle, gradient, half)};
    if (!inside(geometry, to_index(profile.start)) || !inside(geometry, to_index(profile.end))) continue;
    profiles.push_back(profile);
    middles.push_back(middle);
  }
  return profiles;
}

std::vector<std::optional<double>> edge_sharpness(const Volume& volume, const std::vector<Profile>& profiles,
                                                  double step, ThreadPool& pool) {
  const SplineSampler sampler(volume, pool);
  const WorldToIndex to_index(volume.geometry.affine);
  std::vector<std::optional<double>> result;
  for (const Profile& profile : profiles) {
    const Vector from = to_index(profile.start), to = to_index(profile.end);
    CLADE_CHECK(inside(volume.geometry, from) && inside(volume.geometry, to), ErrorCode::usage, "the profile from ",
                profile.start[0], ", ", profile.start[1], ", ", profile.start[2], " mm to ", profile.end[0], ", ",
                profile.end[1], ", ", profile.end[2], " mm leaves the volume");
    const double length = norm(moved(profile.end, profile.start, -1.0));
    const auto steps = static_cast<int>(std::floor(length / step + 1e-9));
    std::vector<double> samples;
    for (int i = 0; i <= steps; ++i) {
      const double t = i * step / length;
      samples.push_back(sampler.at(
          {from[0] + t * (to[0] - from[0]), from[1] + t * (to[1] - from[1]), from[2] + t * (to[2] - from[2])}));
    }
    result.push_back(steepest_slope(samples, step));
  }
  return result;
}

double profile_step(const Geometry& geometry) {
  return 0.5 * *std::min_element(geometry.spacing.begin(), geometry.spacing.end());
}

}  // namespace clade
