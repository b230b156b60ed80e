// SPDX-License-Identifier: Apache-2.0
// All metrics of a volume, as far as what is known about it allows.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/parallel.h"
#include "io/degrade.h"
#include "io/intensity.h"
#include "io/volume.h"
#include "metrics/edge_sharpness.h"
#include "metrics/piqe.h"
#include "metrics/region.h"

namespace CLI {
class App;
}

namespace clade {

/// What a good value is.
enum class Better { lower, higher, near_one, neither };
const char* better_text(Better better);
/// The inverse of better_text(). Throws Error(input) for other texts.
Better parse_better(const std::string& text);

inline constexpr int kMostDecimals = 17;  ///< more are not in a double

struct Metric {
  std::string name;
  std::string unit;  ///< empty for none
  Better better = Better::neither;
  int decimals = 2;  ///< to print

  /// "name [unit]".
  std::string title() const;
};

struct Score {
  Metric metric;
  std::optional<double> value;  ///< none when it could not be measured on this volume
};

/// The scores of one volume. Volumes of one scorer, and of scorers with the same options, have the same metrics in the
/// same order.
struct VolumeScores {
  std::vector<Score> scores;
  nlohmann::ordered_json details;  ///< what stands behind the scores: numbers of slices, profiles, ...
};

struct ScoringOptions {
  std::string intensity = "percentile:0,99.9";
  std::string profile = "gaussian";
  std::optional<double> thickness;
  std::optional<std::string> slice_axis;
  int stride = 12;
  int edges = 100;
};
/// Adds the options that `score` and `compare` share.
void add_scoring_options(CLI::App& app, ScoringOptions& options);

/// What belongs to the volumes of one subject besides themselves; the volumes' grid is common to all but the
/// acquisition.
struct SubjectContext {
  std::optional<Volume> acquisition;
  std::optional<Volume> reference;
  Region region;       ///< where errors against the reference count; empty: everywhere
  Region signal, air;  ///< for the SNR; both or none
  std::vector<Profile> profiles;
};

/// The acquisition on a grid that is finer along `slice_axis` only, by cubic B-splines.
Volume interpolate(const Volume& acquisition, int slice_axis, const Geometry& grid, ThreadPool& pool);

/// Scores volumes of one subject. The grey map, the intensity range, the slices that count for PIQE and the places of
/// edges are found once, so they are the same for all of them.
class VolumeScorer {
 public:
  /// `first` is one of the volumes: it gives the grid, and stands in where neither acquisition nor reference is known.
  /// Throws Error(input) when the grids do not belong together.
  VolumeScorer(const ScoringOptions& options, SubjectContext context, const Volume& first, ThreadPool& pool);

  /// The acquisition interpolated to the grid of the volumes (cubic B-spline); none without an acquisition.
  const std::optional<Volume>& interpolated() const { return interpolated_; }
  const SubjectContext& context() const { return context_; }
  /// Along which slices are thick; none where that is not known.
  std::optional<int> slice_axis() const { return slice_axis_; }
  /// What intensities differ by at most: the 100 % of fidelity.
  double range() const { return map_.high - map_.low; }
  VolumeScores score(const Volume& volume) const;
  /// Degraded volume minus acquisition. Throws Error(usage) without an acquisition.
  Volume fidelity_map(const Volume& volume) const;

 private:
  struct PlaneBaseline {
    Plane plane;
    std::vector<PiqeScore> slices;
  };
  struct Edges {
    std::string name;
    std::vector<Profile> profiles;
  };

  void add_piqe(const Volume& volume, VolumeScores& scores) const;
  void add_edges(const Volume& volume, VolumeScores& scores) const;
  void add_fidelity(const Volume& volume, VolumeScores& scores) const;
  void add_periodicity(const Volume& volume, VolumeScores& scores) const;
  void add_reference(const Volume& volume, VolumeScores& scores) const;
  void add_snr(const Volume& volume, VolumeScores& scores) const;

  SubjectContext context_;
  ThreadPool& pool_;
  Geometry grid_;
  std::optional<int> slice_axis_;
  SliceProfile profile_;
  double thickness_ = 0.0;
  int stride_;
  std::vector<double> periods_;
  IntensityMap map_;
  std::optional<Volume> interpolated_;
  std::vector<PlaneBaseline> baselines_;
  std::vector<Edges> edges_;
};

}  // namespace clade
