// SPDX-License-Identifier: Apache-2.0
// The file of `clade_eval score --json`.
#pragma once

#include <string>
#include <vector>

#include "tools/eval_scores.h"

namespace clade {

struct NamedScores {
  std::string name;
  VolumeScores scores;
};

/// All volumes with the same metrics in the same order.
nlohmann::ordered_json to_json(const std::vector<NamedScores>& volumes);
/// The inverse. Throws Error(input).
std::vector<NamedScores> named_scores_from_json(const std::string& text);

}  // namespace clade
