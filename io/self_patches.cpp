// SPDX-License-Identifier: Apache-2.0
#include "io/self_patches.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/philox.h"
#include "io/degrade.h"
#include "io/edge_density.h"

namespace clade {

namespace {

constexpr int kFewest = 8;
// Slices beyond each end of a patch: what the spline makes of the end reaches this far with less than 0.001.
constexpr int kMargin = 6;

// Start of a piece of `count` around `centre` that lies within [0, extent).
int start_around(int centre, int count, int extent) { return std::clamp(centre - count / 2, 0, extent - count); }

}  // namespace

SelfPatches::SelfPatches(const Volume& volume, const PlaneAxes& axes, const SelfPatchOptions& options, ThreadPool& pool)
    : volume_(volume), axes_(axes), options_(options), edges_(cumulative_edges(volume, pool)) {
  const Geometry& g = volume.geometry;
  const int side =
      std::min(g.size[static_cast<std::size_t>(axes.shared)], g.size[static_cast<std::size_t>(axes.normal)]);
  const int whole = LineUpsampling::whole_factor(options.factor);
  rows_ = std::min(options.patch, side);
  const int columns = std::min(options.patch, side / whole);
  CLADE_CHECK(columns >= kFewest, ErrorCode::input, "a plane of ", side, " voxels is too small to learn a factor of ",
              options.factor, " from: it takes ", kFewest * whole);
  slices_ = static_cast<int>(std::ceil(whole * columns / options.factor - 1e-3)) + 2 * kMargin;
  upsampling_ = std::make_unique<LineUpsampling>(slices_, whole * columns, options.factor);
}

void SelfPatches::read(std::int64_t index, float* input, float* interpolated, float* target) const {
  const Geometry& g = volume_.geometry;
  RandomSequence random(options_.seed, RandomUse::patches, static_cast<std::uint64_t>(index));
  // Along `line` the volume is made thick.
  int line = axes_.shared, across = axes_.normal;
  if (random.next_below(2) == 1) std::swap(line, across);
  const auto draw = [&](int axis) {
    return position_at(edges_[static_cast<std::size_t>(axis)], random.next_uniform());
  };
  const int extent = g.size[static_cast<std::size_t>(line)];
  const std::int64_t in_columns = input_columns();
  const std::int64_t columns = output_columns();
  const int slice = draw(axes_.slice);
  const int first_row = start_around(draw(across), rows_, g.size[static_cast<std::size_t>(across)]);
  const int first = start_around(draw(line), output_columns(), extent);

  std::vector<std::vector<ProfileTap>> profile;
  for (int q = 0; q < slices_; ++q) {
    const double centre = first + 0.5 * (output_columns() - 1) + (q - 0.5 * (slices_ - 1)) * options_.factor;
    profile.push_back(profile_taps(SliceProfile::gaussian, options_.blur, centre, extent));
  }
  const std::int64_t step = g.stride(line);
  std::vector<double> thick(static_cast<std::size_t>(slices_));
  for (int row = 0; row < rows_; ++row) {
    const float* voxels = volume_.voxels.data() + slice * g.stride(axes_.slice) + (first_row + row) * g.stride(across);
    for (int q = 0; q < slices_; ++q) {
      double sum = 0.0;
      for (const ProfileTap& tap : profile[static_cast<std::size_t>(q)])
        sum += tap.weight * static_cast<double>(voxels[tap.index * step]);
      thick[static_cast<std::size_t>(q)] = sum;
    }
    upsampling_->apply(thick.data(), input + row * in_columns, interpolated + row * columns);
    for (std::int64_t column = 0; column < columns; ++column)
      target[row * columns + column] = voxels[(first + column) * step];
  }
}

}  // namespace clade
