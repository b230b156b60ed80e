// SPDX-License-Identifier: Apache-2.0
#include "tools/score_file.h"

#include "core/error.h"
#include "tools/json_integer.h"

namespace clade {

using Json = nlohmann::ordered_json;

Json to_json(const std::vector<NamedScores>& volumes) {
  Json metrics = Json::array(), entries = Json::array();
  for (const Score& score : volumes.front().scores.scores)
    metrics.push_back({{"name", score.metric.name},
                       {"unit", score.metric.unit},
                       {"better", better_text(score.metric.better)},
                       {"decimals", score.metric.decimals}});
  for (const NamedScores& volume : volumes) {
    Json scores;
    for (const Score& score : volume.scores.scores)
      scores[score.metric.name] = score.value ? Json(*score.value) : Json(nullptr);
    entries.push_back({{"name", volume.name}, {"scores", scores}, {"details", volume.scores.details}});
  }
  return {{"metrics", metrics}, {"volumes", entries}};
}

std::vector<NamedScores> named_scores_from_json(const std::string& text) {
  try {
    const Json json = Json::parse(text);
    std::vector<Metric> metrics;
    for (const Json& entry : json.at("metrics"))
      metrics.push_back({entry.at("name"), entry.at("unit"), parse_better(entry.at("better").get<std::string>()),
                         integer_at<int>(entry, "decimals", 0, kMostDecimals)});
    std::vector<NamedScores> volumes;
    for (const Json& entry : json.at("volumes")) {
      NamedScores volume{entry.at("name"), {{}, entry.at("details")}};
      for (const Metric& metric : metrics) {
        const Json& value = entry.at("scores").at(metric.name);
        volume.scores.scores.push_back({metric, value.is_null() ? std::nullopt : std::optional(value.get<double>())});
      }
      volumes.push_back(std::move(volume));
    }
    return volumes;
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorCode::input, "not written by clade_eval score --json: ", error.what());
  }
}

}  // namespace clade
