// SPDX-License-Identifier: Apache-2.0
// A study: several methods on the same subjects, as `compare`, `report` and `reader` take it from their options.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>


#include "tools/console.h"
#include "tools/eval_comparison.h"

namespace CLI {
class App;
}

namespace clade {

/// Volumes as options name them.
struct StudyOptions {
  std::vector<std::string> methods;  ///< NAME=PATH,PATH
  std::vector<std::string> acquisitions, references, masks, regions;
};
/// Adds --method and --acquisition.
void add_method_options(CLI::App& app, StudyOptions& options);
/// Adds --reference, --mask and --regions.
void add_truth_options(CLI::App& app, StudyOptions& options);

/// Paths of one method, by subject.
struct StudyMethod {
  std::string name;
  std::vector<std::filesystem::path> volumes;
};

/// "NAME=PATH,PATH" each; a name that comes again gets more volumes, a folder stands for the volumes inside.
/// Throws Error(usage) for other texts (naming `option`).
std::vector<StudyMethod> parse_methods(const std::vector<std::string>& texts, const char* option);

struct Study {
  std::vector<StudyMethod> methods;
  std::vector<std::filesystem::path> acquisitions, references, masks, regions;  ///< by subject, or none at all
  std::vector<std::string> subjects;                                            ///< names of their files

  /// Whether the interpolated acquisition is a method besides those that were named: then it is the first one.
  bool adds_interpolation() const;
  std::vector<std::string> method_names() const;
};
/// Throws Error(usage) unless every method has one volume of every subject, and so has everything else that is given.
Study make_study(const StudyOptions& options);

/// Called with each volume of the study: its subject, the position of its method in Study::method_names(), and what
/// scores it.
using VisitVolume =
    std::function<void(std::size_t subject, std::size_t method, const Volume& volume, const VolumeScorer& scorer)>;

/// Reads subject after subject and shows every volume to `visit`, with a progress line.
void visit_study(const Study& study, const ScoringOptions& scoring, ThreadPool& pool, Console& console,
                 const VisitVolume& visit);

/// A sheet without scores yet.
ScoreSheet empty_sheet(const Study& study);
/// Scores of the next subject by a method. Throws Error(input) when they are of other metrics than those before.
void add_scores(ScoreSheet& sheet, std::size_t method, const VolumeScores& scores);

}  // namespace clade
