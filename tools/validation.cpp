// SPDX-License-Identifier: Apache-2.0
#include "tools/validation.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "io/nifti.h"

namespace clade {

namespace {

// 99th percentile of |v(i + 1) - v(i)| along `axis`.
double step_percentile(const Volume& volume, int axis) {
  const Geometry& geometry = volume.geometry;
  const std::int64_t stride = geometry.stride(axis);
  const std::int64_t line = geometry.size[static_cast<std::size_t>(axis)];
  std::vector<float> steps;
  steps.reserve(volume.voxels.size());
  for (std::int64_t i = 0; i < geometry.voxel_count(); ++i) {
    if ((i / stride) % line == line - 1) continue;
    const auto here = static_cast<std::size_t>(i);
    steps.push_back(std::abs(volume.voxels[here + static_cast<std::size_t>(stride)] - volume.voxels[here]));
  }
  const auto rank = steps.begin() + static_cast<std::ptrdiff_t>(0.99 * static_cast<double>(steps.size() - 1));
  std::nth_element(steps.begin(), rank, steps.end());
  return static_cast<double>(*rank);
}

double mean_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
  return sum / static_cast<double>(a.size());
}

}  // namespace

ValidationScore validate(const std::string& path, SuperResolver& model, const SuperResolveOptions& options,
                         const Log& log, const ProgressCallback& progress) {
  Volume volume = read_nifti(path, log);
  return with_context(path, [&] {
    const SuperResolvePlan plan = plan_super_resolution(volume.geometry, model.metadata(), model.config(), options);
    const IntensityMap map = make_intensity_map(plan.intensity, plan.range, volume.voxels);
    const Volume interpolated = interpolate(volume, plan.axes, plan.grid, model.stream().pool());
    const Volume result = super_resolve(std::move(volume), plan, model, progress);
    const double reference = step_percentile(interpolated, plan.axes.slice);
    ValidationScore score;
    score.sharpness = reference > 0 ? step_percentile(result, plan.axes.slice) / reference : 0;
    score.change = mean_difference(result.voxels, interpolated.voxels) / (map.high - map.low);
    return score;
  });
}

}  // namespace clade
