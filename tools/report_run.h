// SPDX-License-Identifier: Apache-2.0
// What a run folder of clade_train tells about the training of a method.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tools/eval_table.h"

namespace clade {

struct TrainingRun {
  std::string method;
  std::string folder;
  TextTable settings;                                 ///< config.json
  TextTable model;                                    ///< metadata of latest.safetensors; a heading alone without it
  std::vector<double> steps;                          ///< of log.jsonl
  std::map<std::string, std::vector<double>> losses;  ///< by name, one a step; NaN where the log has no number
};

/// Throws Error(input) when config.json or log.jsonl are missing or broken, Error(model) for a broken model.
TrainingRun read_run(const std::string& method, const std::filesystem::path& folder);

/// Plots of the losses of all runs, smoothed, with a legend.
std::string training_curves(const std::vector<TrainingRun>& runs);

}  // namespace clade
