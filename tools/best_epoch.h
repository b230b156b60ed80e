// SPDX-License-Identifier: Apache-2.0
// Which of the validated epochs of a training is the best.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace clade {

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
