// SPDX-License-Identifier: Apache-2.0
// Scores of the weights of a running training on whole volumes, and the choice of the best ones.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "models/super_resolve.h"

namespace clade {

/// Super-resolves the volume at `path` with `model` and returns all scores of clade_eval that need no truth, by name;
/// `piqe` is that of the low-resolution plane, null where it could not be measured. `progress` as in super_resolve.
nlohmann::ordered_json validate(const std::string& path, SuperResolver& model, const SuperResolveOptions& options,
                                const Log& log, const ProgressCallback& progress);

/// What makes an epoch the best one: the lowest PIQE, averaged over the volumes, among those epochs whose results stay
/// within `fidelity` (fidelity_rmse in %) of the acquired slices on every volume.
struct BestRule {
  std::optional<double> fidelity;

  /// "piqe" or "piqe:PERCENT". Throws Error(usage) for anything else.
  static BestRule parse(std::string_view text);
  std::string text() const;
};

/// The best epoch by the lines of validation.jsonl, the earliest of equals; none if no epoch qualifies.
/// Throws Error(model) for lines that are not those of `validate`.
std::optional<std::int64_t> best_epoch(const std::filesystem::path& lines, const BestRule& rule);

}  // namespace clade
