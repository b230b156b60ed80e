// SPDX-License-Identifier: Apache-2.0
// Runs the steps of a study as far as they are not done yet.
#pragma once

#include <string>
#include <vector>

#include "tools/console.h"
#include "tools/study_steps.h"

namespace clade {

struct StudyRunOptions {
  int jobs = 1;        ///< programs at once
  int threads = 1;     ///< of each
  std::string device;  ///< of trainings and applications
  bool force = false;  ///< make anew what was made with other options
};

enum class StepState { waiting, done, failed };
const char* state_text(StepState state);

struct StepOutcome {
  StepState state = StepState::waiting;
  double seconds = 0.0;  ///< of wall-clock time, without what came before an interruption
  std::string message;   ///< why it failed
};

class StudyRunner {
 public:
  /// Looks up what is done. Throws Error(output) when something was made with other options and `force` is false.
  StudyRunner(const std::vector<StudyStep>& steps, const StudyRunOptions& options);

  const std::vector<StepOutcome>& outcomes() const { return outcomes_; }
  /// The program and its arguments as they would be run now.
  std::vector<std::string> command(std::size_t step) const;

  /// Runs until nothing is left that can be run, or until stop_requested(): then the programs are told to stop and
  /// waited for. Steps that need a failed one stay waiting.
  void run(Console& console);

 private:
  struct Running;

  bool ready(std::size_t step) const;
  void start(std::size_t step, std::vector<Running>& running);
  void forget_what_follows(std::size_t step);
  void finish(const Running& ended, int code, bool stopping);

  const std::vector<StudyStep>& steps_;
  StudyRunOptions options_;
  std::vector<StepOutcome> outcomes_;
  std::vector<bool> begun_;      // by an earlier process or by this one
  std::vector<bool> resumable_;  // trainings that go on where they were
  std::vector<bool> started_;    // by this process
};

}  // namespace clade
