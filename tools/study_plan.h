// SPDX-License-Identifier: Apache-2.0
// What a study of `clade_eval study` consists of: volumes, and options of which some take several values.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace clade {

/// A volume that is super-resolved and scored.
struct StudyVolume {
  std::string name;  ///< also of its files
  std::filesystem::path input;
  std::optional<std::filesystem::path> reference, mask;
};

/// An option of a program, by its long name without dashes, and the values that are tried.
struct StudyAxis {
  std::string option;
  std::vector<std::string> values;
};

/// Options of a program: those that stay the same, as arguments, and those that vary.
struct OptionGrid {
  std::vector<std::string> fixed;
  std::vector<StudyAxis> axes;
};

/// One combination of values.
struct GridPoint {
  std::vector<std::string> values;     ///< by axis
  std::vector<std::string> arguments;  ///< of the program, the fixed ones first
  std::string name;                    ///< "lambda-cycle=1_seed=2", fit for a file; empty without axes
};

/// All combinations; the values of the last axis change first.
std::vector<GridPoint> expand(const OptionGrid& grid);

struct StudyPlan {
  std::vector<StudyVolume> volumes;
  std::vector<std::filesystem::path> training_inputs;  ///< empty: each volume has trainings of its own
  OptionGrid train, apply;
  std::vector<std::string> checkpoints;      ///< "latest", "best" or "epoch_0001", as files of a run are called
  std::vector<std::string> score_arguments;  ///< for all volumes
};

/// `json` is the study file, `folder` is what its relative paths start from.
/// Throws Error(input) for unknown keys, wrong types, names that come twice and options that the study sets itself.
StudyPlan parse_study_plan(const nlohmann::ordered_json& json, const std::filesystem::path& folder);

}  // namespace clade
