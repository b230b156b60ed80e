// SPDX-License-Identifier: Apache-2.0
// A study as programs to run: trainings, applications of what they learned, scores of what that made.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tools/study_plan.h"

namespace clade {

enum class StudyProgram { train, apply, score };

/// One run of a program.
struct StudyStep {
  StudyProgram program = StudyProgram::train;
  std::string name;                    ///< for messages: where its files are in the folder of the study
  std::vector<std::string> arguments;  ///< what its result depends on
  std::vector<std::string> places;     ///< the arguments that say where in the folder of the study files are
  std::filesystem::path output;        ///< there once the step is done
  std::filesystem::path record, log;   ///< with what it was made, and what it printed
  std::optional<std::size_t> after;    ///< the step that makes its input
};

/// One volume with one combination of everything that varies.
struct StudyCase {
  std::size_t volume = 0;
  std::vector<std::string> train_values;  ///< by axis of the plan
  std::string checkpoint;
  std::vector<std::string> apply_values;
  std::size_t apply = 0, score = 0;  ///< its steps
};

struct StudySteps {
  std::vector<StudyStep> steps;  ///< each one behind the one that it needs
  std::vector<StudyCase> cases;
};

/// All steps of a study whose files are below `folder`.
StudySteps make_study_steps(const StudyPlan& plan, const std::filesystem::path& folder);

}  // namespace clade
