// SPDX-License-Identifier: Apache-2.0
#include "tools/eval_scores.h"

#include <cmath>

#include "metrics/fidelity.h"
#include "metrics/grids.h"
#include "metrics/periodicity.h"
#include "metrics/reference.h"
#include "metrics/snr.h"
#include "models/super_resolve.h"
#include "tools/cli.h"

namespace clade {

namespace {

constexpr Plane kPlanes[] = {Plane::sagittal, Plane::coronal, Plane::axial};

// The slice axis where only the spacing can tell it; an isotropic grid has none.
std::optional<int> thick_axis(const Geometry& geometry) {
  try {
    return find_slice_axis(geometry);
  } catch (const Error&) {
    return {};
  }
}

std::optional<double> finite(double value) { return std::isfinite(value) ? std::optional(value) : std::nullopt; }

}  // namespace

const char* better_text(Better better) {
  switch (better) {
    case Better::lower:
      return "lower";
    case Better::higher:
      return "higher";
    case Better::near_one:
      return "1";
    case Better::neither:
      return "";
  }
  fail(ErrorCode::internal, "better ", static_cast<int>(better));
}

Better parse_better(const std::string& text) {
  for (Better better : {Better::lower, Better::higher, Better::near_one, Better::neither})
    if (text == better_text(better)) return better;
  fail(ErrorCode::input, "'", text, "' does not say what is better");
}

std::string Metric::title() const { return unit.empty() ? name : str(name, " [", unit, "]"); }

void add_scoring_options(CLI::App& app, ScoringOptions& options) {
  const char* group = "Metrics";
  app.add_option(
         "--intensity", options.intensity,
         "Span of intensities: grey scale of PIQE, range of errors; minmax, percentile:LO,HI or window:LO,HI of the "
         "acquisition, else of the reference, else of the first volume")
      ->capture_default_str()
      ->group(group);
  app.add_option("--slice-axis", options.slice_axis, "i, j or k [that of the acquisition]")->group(group);
  app.add_option("--profile", options.profile, "Of the acquired slices: gaussian or boxcar")
      ->check(CLI::IsMember({"gaussian", "boxcar"}))
      ->capture_default_str()
      ->group(group);
  app.add_option("--thickness", options.thickness, "Of the acquired slices, mm [their spacing]")
      ->check(CLI::PositiveNumber)
      ->group(group);
  app.add_option("--stride", options.stride, "Of the tiles, whose seams are looked for besides periods 2 and 4")
      ->check(in_range(2, 1 << 20))
      ->capture_default_str()
      ->group(group);
  app.add_option("--edges", options.edges, "Profiles across the strongest edges, at most")
      ->check(in_range(0, 100000))
      ->capture_default_str()
      ->group(group);
}

Volume interpolate(const Volume& acquisition, int slice_axis, const Geometry& grid, ThreadPool& pool) {
  PlaneAxes axes;
  axes.slice = slice_axis;
  axes.shared = (slice_axis + 1) % 3;
  axes.normal = (slice_axis + 2) % 3;
  return interpolate(acquisition, axes, grid, pool);
}

VolumeScorer::VolumeScorer(const ScoringOptions& options, SubjectContext context, const Volume& first, ThreadPool& pool)
    : context_(std::move(context)),
      pool_(pool),
      grid_(first.geometry),
      profile_(parse_slice_profile(options.profile)),
      stride_(options.stride),
      periods_{2.0, 4.0} {
  if (stride_ != 2 && stride_ != 4) periods_.push_back(stride_);
  if (context_.reference) with_context("reference", [&] { check_same_grid(context_.reference->geometry, grid_); });
  if (options.slice_axis) slice_axis_ = parse_axis(*options.slice_axis);
  if (context_.acquisition) {
    const int axis =
        with_context("acquisition", [&] { return find_resampled_axis(grid_, context_.acquisition->geometry); });
    CLADE_CHECK(!slice_axis_ || *slice_axis_ == axis, ErrorCode::usage, "--slice-axis ", *options.slice_axis,
                " is not the axis along which the volumes have more slices than the acquisition");
    slice_axis_ = axis;
    thickness_ = options.thickness.value_or(context_.acquisition->geometry.spacing[static_cast<std::size_t>(axis)]);
    interpolated_ = interpolate(*context_.acquisition, axis, grid_, pool_);
  }
  if (!slice_axis_) slice_axis_ = thick_axis(grid_);

  const Volume& original = context_.acquisition ? *context_.acquisition
                           : context_.reference ? *context_.reference
                                                : first;
  map_ = make_intensity_map(IntensityRule::parse(options.intensity), 1.0, original.voxels);

  const Volume& start = interpolated_ ? *interpolated_ : first;
  for (Plane plane : kPlanes) baselines_.push_back({plane, piqe_slices(start, plane, map_, pool_)});

  const Volume& edge_source = context_.reference ? *context_.reference : start;
  EdgeSearch search;
  search.count = options.edges;
  const auto find = [&](const char* name, EdgeDirection direction) {
    search.direction = direction;
    edges_.push_back({name, find_edges(edge_source, search)});
  };
  if (slice_axis_) {
    search.slice_axis = *slice_axis_;
    find("edges_through_plane", EdgeDirection::through_plane);
    find("edges_in_plane", EdgeDirection::in_plane);
  } else {
    find("edges", EdgeDirection::any);
  }
  if (!context_.profiles.empty()) edges_.push_back({"edges_given", context_.profiles});
}

VolumeScores VolumeScorer::score(const Volume& volume) const {
  check_same_grid(volume.geometry, grid_);
  VolumeScores scores;
  scores.details["intensity"] = {{"low", map_.low}, {"high", map_.high}};
  add_piqe(volume, scores);
  add_edges(volume, scores);
  if (context_.acquisition) {
    add_fidelity(volume, scores);
    add_periodicity(volume, scores);
  }
  if (context_.reference) add_reference(volume, scores);
  if (!context_.signal.empty()) add_snr(volume, scores);
  return scores;
}

Volume VolumeScorer::fidelity_map(const Volume& volume) const {
  CLADE_CHECK(context_.acquisition, ErrorCode::usage, "a map of fidelity needs the acquisition");
  return data_fidelity(volume, *context_.acquisition, profile_, thickness_, range(), pool_).difference;
}

void VolumeScorer::add_piqe(const Volume& volume, VolumeScores& scores) const {
  for (const PlaneBaseline& baseline : baselines_) {
    const PiqePlaneScore score = average_piqe(piqe_slices(volume, baseline.plane, map_, pool_), baseline.slices);
    const std::string name = str("piqe_", plane_name(baseline.plane));
    scores.scores.push_back({{name, "", Better::lower, 2}, finite(score.summary.mean)});
    scores.details[name] = {{"slices", score.summary.count},
                            {"sd_of_slices", score.summary.sd},
                            {"slices_left_out_as_empty", score.empty},
                            {"slices_lost", score.lost}};
  }
}

void VolumeScorer::add_edges(const Volume& volume, VolumeScores& scores) const {
  for (const Edges& edges : edges_) {
    std::vector<double> values;
    nlohmann::ordered_json each = nlohmann::ordered_json::array();
    for (const auto& value : edge_sharpness(volume, edges.profiles, profile_step(grid_), pool_)) {
      if (value) values.push_back(*value);
      each.push_back(value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr));
    }
    const Summary summary = summarize(values);
    scores.scores.push_back({{edges.name, "1/mm", Better::higher, 3}, finite(summary.median)});
    scores.details[edges.name] = {{"profiles", edges.profiles.size()},
                                  {"flat_profiles", edges.profiles.size() - values.size()},
                                  {"mean", summary.mean},
                                  {"sd", summary.sd},
                                  {"values", each}};
  }
}

void VolumeScorer::add_fidelity(const Volume& volume, VolumeScores& scores) const {
  const Fidelity fidelity = data_fidelity(volume, *context_.acquisition, profile_, thickness_, range(), pool_);
  scores.scores.push_back({{"fidelity_rmse", "%", Better::lower, 3}, 100.0 * fidelity.relative_rmse});
  scores.scores.push_back({{"fidelity_worst_slice", "%", Better::lower, 3}, 100.0 * fidelity.worst_slice});
  scores.details["fidelity"] = {
      {"rmse", fidelity.rmse}, {"relative_bias", fidelity.bias}, {"slice_thickness_mm", thickness_}};
}

void VolumeScorer::add_periodicity(const Volume& volume, VolumeScores& scores) const {
  for (const PeriodEnergy& energy : periodicity(volume, *slice_axis_, *context_.acquisition, periods_, pool_)) {
    const std::string name = str("period_", energy.period);
    scores.scores.push_back({{name + "_ratio", "", Better::neither, 3}, energy.ratio});
    scores.scores.push_back({{name + "_excess", "", Better::lower, 3}, energy.excess});
    scores.details[name] = {
        {"peak", energy.peak ? nlohmann::ordered_json(*energy.peak) : nlohmann::ordered_json(nullptr)}};
  }
  const Metric seams{str("seams_", stride_), "", Better::near_one, 3};
  const bool long_enough = grid_.size[static_cast<std::size_t>(*slice_axis_)] >= 3 * stride_;
  scores.scores.push_back(
      {seams, long_enough ? std::optional(seam_contrast(volume, *slice_axis_, stride_, pool_)) : std::nullopt});
}

void VolumeScorer::add_reference(const Volume& volume, VolumeScores& scores) const {
  const Volume& reference = *context_.reference;
  const Region& region = context_.region;
  scores.scores.push_back({{"psnr", "dB", Better::higher, 2}, finite(psnr(volume, reference, range(), region))});
  for (Plane plane : kPlanes)
    scores.scores.push_back({{str("ssim_", plane_name(plane)), "", Better::higher, 4},
                             ssim(volume, reference, plane, range(), region, pool_)});
  const GradientError error = gradient_error(volume, reference, slice_axis_.value_or(0), region);
  scores.scores.push_back({{"gradient_error", "", Better::lower, 3}, error.total});
  if (slice_axis_)
    scores.scores.push_back({{"gradient_error_through_plane", "", Better::lower, 3}, error.through_plane});
}

void VolumeScorer::add_snr(const Volume& volume, VolumeScores& scores) const {
  const SignalToNoise snr = signal_to_noise(volume, context_.signal, context_.air);
  scores.scores.push_back({{"snr", "", Better::higher, 2}, snr.ratio});
  scores.details["snr"] = {{"signal", snr.signal}, {"noise", snr.noise}};
}

}  // namespace clade
