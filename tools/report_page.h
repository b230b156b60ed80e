// SPDX-License-Identifier: Apache-2.0
// The page that `clade_eval report` writes.
#pragma once

#include <string>
#include <vector>

#include "tools/eval_comparison.h"
#include "tools/report_run.h"

namespace clade {

struct Report {
  std::string command_line;
  ScoreSheet sheet;
  MarkOptions marks;
  TextTable settings;  ///< how it was measured and from which files
  std::vector<TrainingRun> runs;
  nlohmann::ordered_json subjects = nlohmann::ordered_json::array();  ///< pictures, with the name of each subject
  std::vector<std::string> without_pictures;                          ///< subjects that there was no room for
};

/// The whole document, with the time of now.
std::string report_html(const Report& report);

/// In a sentence or two, what a metric says and what it does not; empty for one that is not ours.
std::string metric_note(const std::string& metric);

}  // namespace clade
