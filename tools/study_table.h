// SPDX-License-Identifier: Apache-2.0
// What a study found, as tables.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/eval_scores.h"
#include "tools/eval_table.h"
#include "tools/study_runner.h"

namespace clade {

/// The scores of one case of a study, or of the interpolated acquisition of one volume.
struct StudyRow {
  std::string volume;
  std::vector<std::string> settings;  ///< train axes, checkpoint, apply axes
  StepState state = StepState::waiting;
  std::optional<double> seconds;  ///< to super-resolve the volume
  std::vector<Score> scores;      ///< empty unless done
};

struct StudyResults {
  std::vector<std::string> axes;  ///< names of the settings
  std::vector<StudyRow> interpolated, rows;
};

/// Reads the scores of what is done. Throws Error(input).
StudyResults read_study_results(const StudyPlan& plan, const StudySteps& steps,
                                const std::vector<StepOutcome>& outcomes);

/// A line for each row, with all digits.
TextTable row_table(const StudyResults& results);
nlohmann::ordered_json to_json(const StudyResults& results);

/// Mean +- SD over volumes and seeds for each combination of the other settings that vary; * marks the best mean of a
/// column among those of the most values. Metrics without a better direction are left out unless named.
/// Throws Error(usage) for a name that no metric has.
TextTable study_mean_table(const StudyResults& results, const std::vector<std::string>& metrics);

}  // namespace clade
