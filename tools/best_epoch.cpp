// SPDX-License-Identifier: Apache-2.0
#include "tools/best_epoch.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <map>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "tools/json_integer.h"

namespace clade {

namespace {

constexpr std::string_view kPiqe = "piqe";

// What the scores of one epoch come to.
struct EpochScores {
  double piqe = 0.0;      // sum over the volumes
  double fidelity = 0.0;  // largest of the volumes
  bool complete = true;
};

}  // namespace

BestRule BestRule::parse(std::string_view text) {
  if (text == kPiqe) return {};
  double fidelity = 0.0;
  const std::string prefix = str(kPiqe, ':');
  bool good = text.starts_with(prefix);
  if (good) {
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + prefix.size(), end, fidelity);
    good = error == std::errc{} && stop == end && std::isfinite(fidelity) && fidelity > 0.0;
  }
  CLADE_CHECK(good, ErrorCode::usage, "'", text, "' is not piqe or piqe:PERCENT");
  return {fidelity};
}

std::string BestRule::text() const { return fidelity ? str(kPiqe, ':', *fidelity) : std::string(kPiqe); }

std::optional<std::int64_t> best_epoch(const std::filesystem::path& lines, const BestRule& rule) {
  std::map<std::int64_t, EpochScores> epochs;
  std::ifstream in(lines, std::ios::binary);
  for (std::string line; std::getline(in, line);) {
    try {
      const nlohmann::json scores = nlohmann::json::parse(line);
      EpochScores& epoch = epochs[integer_at<std::int64_t>(scores, "epoch")];
      const nlohmann::json &piqe = scores.at(kPiqe), &fidelity = scores.at("fidelity_rmse");
      if (piqe.is_null() || fidelity.is_null()) {
        epoch.complete = false;
        continue;
      }
      epoch.piqe += piqe.get<double>();
      epoch.fidelity = std::max(epoch.fidelity, fidelity.get<double>());
    } catch (const nlohmann::json::exception& error) {
      fail(ErrorCode::model, lines.string(), ": ", error.what());
    } catch (const Error& error) {
      fail(ErrorCode::model, lines.string(), ": ", error.what());
    }
  }
  std::optional<std::int64_t> best;
  for (const auto& [number, scores] : epochs) {
    if (!scores.complete || (rule.fidelity && scores.fidelity > *rule.fidelity)) continue;
    if (!best || scores.piqe < epochs.at(*best).piqe) best = number;
  }
  return best;
}

}  // namespace clade
