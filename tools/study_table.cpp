// SPDX-License-Identifier: Apache-2.0
#include "tools/study_table.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "core/error.h"
#include "metrics/summary.h"
#include "tools/score_file.h"

namespace clade {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kCheckpoint = "checkpoint";
constexpr const char* kSeed = "seed";
constexpr const char* kInterpolated = "interpolated";

// Of all rows, in the order in which they come first: volumes with and without a reference differ.
std::vector<Metric> all_metrics(const StudyResults& results) {
  std::vector<Metric> metrics;
  std::set<std::string> seen;
  for (const auto* rows : {&results.interpolated, &results.rows})
    for (const StudyRow& row : *rows)
      for (const Score& score : row.scores)
        if (seen.insert(score.metric.name).second) metrics.push_back(score.metric);
  return metrics;
}

std::optional<double> value_of(const StudyRow& row, const std::string& metric) {
  for (const Score& score : row.scores)
    if (score.metric.name == metric) return score.value;
  return {};
}

// Rows with the same settings but for seeds.
struct Group {
  std::vector<std::string> settings;
  std::vector<const StudyRow*> rows;

  template <class Value>
  Summary summary(Value&& value) const {
    std::vector<double> values;
    for (const StudyRow* row : rows)
      if (const std::optional<double> v = value(*row)) values.push_back(*v);
    return summarize(values);
  }
  Summary summary(const Metric& metric) const {
    return summary([&](const StudyRow& row) { return value_of(row, metric.name); });
  }
};

std::vector<Group> groups_of(const std::vector<StudyRow>& rows, const std::vector<bool>& pooled) {
  std::vector<Group> groups;
  for (const StudyRow& row : rows) {
    std::vector<std::string> settings = row.settings;
    for (std::size_t i = 0; i < settings.size(); ++i)
      if (pooled[i]) settings[i].clear();
    const auto found =
        std::find_if(groups.begin(), groups.end(), [&](const Group& g) { return g.settings == settings; });
    if (found == groups.end()) {
      groups.push_back({settings, {&row}});
    } else {
      found->rows.push_back(&row);
    }
  }
  return groups;
}

long count_done(const Group& group) {
  return std::count_if(group.rows.begin(), group.rows.end(),
                       [](const StudyRow* row) { return row->state == StepState::done; });
}

std::string mean_text(const Summary& summary, int decimals) {
  std::string text = summary.count > 0 ? fixed(summary.mean, decimals) : "-";
  if (summary.count > 1) text += " +- " + fixed(summary.sd, decimals);
  return text;
}

// Less is better.
double badness(double value, Better better) {
  switch (better) {
    case Better::lower:
      return value;
    case Better::higher:
      return -value;
    case Better::near_one:
      return std::abs(value - 1.0);
    case Better::neither:
      break;
  }
  return std::nan("");
}

// Among the groups with the most values: a mean that lacks a hard volume would look better than it is.
bool is_best(const Summary& summary, const Metric& metric, const std::vector<Group>& groups) {
  return summary.count > 0 && metric.better != Better::neither &&
         std::all_of(groups.begin(), groups.end(), [&](const Group& group) {
           const Summary other = group.summary(metric);
           return other.count < summary.count ||
                  (other.count == summary.count &&
                   badness(summary.mean, metric.better) <= badness(other.mean, metric.better));
         });
}

std::vector<Metric> chosen_metrics(const StudyResults& results, const std::vector<std::string>& names) {
  std::vector<Metric> metrics;
  const std::vector<Metric> all = all_metrics(results);
  for (const std::string& name : names) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const Metric& metric) { return metric.name == name; });
    CLADE_CHECK(found != all.end() || all.empty(), ErrorCode::usage, "--metric: there is no metric '", name, "'");
    if (found != all.end()) metrics.push_back(*found);
  }
  if (names.empty())
    std::copy_if(all.begin(), all.end(), std::back_inserter(metrics),
                 [](const Metric& metric) { return metric.better != Better::neither; });
  return metrics;
}

Json json_of(const StudyRow& row, const std::vector<std::string>& axes) {
  Json settings = Json::object(), scores = Json::object();
  for (std::size_t i = 0; i < row.settings.size(); ++i) settings[axes[i]] = row.settings[i];
  for (const Score& score : row.scores) scores[score.metric.name] = score.value ? Json(*score.value) : Json(nullptr);
  Json json{{"volume", row.volume}, {"settings", settings}, {"state", state_text(row.state)}};
  if (row.seconds) json["seconds"] = *row.seconds;
  json["scores"] = scores;
  return json;
}

}  // namespace

StudyResults read_study_results(const StudyPlan& plan, const StudySteps& steps,
                                const std::vector<StepOutcome>& outcomes) {
  StudyResults results;
  for (const StudyAxis& axis : plan.train.axes) results.axes.push_back(axis.option);
  results.axes.emplace_back(kCheckpoint);
  for (const StudyAxis& axis : plan.apply.axes) results.axes.push_back(axis.option);
  std::set<std::size_t> volumes;
  for (const StudyCase& c : steps.cases) {
    StudyRow row{plan.volumes[c.volume].name, c.train_values, outcomes[c.score].state, {}, {}};
    row.settings.push_back(c.checkpoint);
    row.settings.insert(row.settings.end(), c.apply_values.begin(), c.apply_values.end());
    // What a failed training or application leaves no input for has failed, too.
    const std::optional<std::size_t> training = steps.steps[c.apply].after;
    for (std::size_t step : {*training, c.apply})
      if (outcomes[step].state == StepState::failed) row.state = StepState::failed;
    if (outcomes[c.apply].state == StepState::done) row.seconds = outcomes[c.apply].seconds;
    if (row.state == StepState::done) {
      const std::string path = steps.steps[c.score].output.string();
      const std::vector<NamedScores> scores =
          with_context(path, [&] { return named_scores_from_json(read_text(path)); });
      CLADE_CHECK(scores.size() == 2, ErrorCode::input, path, " has the scores of ", scores.size(),
                  " volumes, expected the interpolated one and the result");
      row.scores = scores.back().scores.scores;
      if (volumes.insert(c.volume).second)
        results.interpolated.push_back({row.volume, {}, StepState::done, {}, scores.front().scores.scores});
    }
    results.rows.push_back(std::move(row));
  }
  return results;
}

TextTable row_table(const StudyResults& results) {
  const std::vector<Metric> metrics = all_metrics(results);
  TextTable table{{"volume"}};
  table[0].insert(table[0].end(), results.axes.begin(), results.axes.end());
  table[0].insert(table[0].end(), {"state", "seconds"});
  for (const Metric& metric : metrics) table[0].push_back(metric.name);
  for (const auto* rows : {&results.interpolated, &results.rows})
    for (const StudyRow& row : *rows) {
      std::vector<std::string> cells{row.volume};
      if (row.settings.empty()) {
        for (const std::string& axis : results.axes) cells.push_back(axis == kCheckpoint ? kInterpolated : "");
      } else {
        cells.insert(cells.end(), row.settings.begin(), row.settings.end());
      }
      cells.insert(cells.end(), {state_text(row.state), row.seconds ? fixed(row.seconds, 2) : ""});
      for (const Metric& metric : metrics) cells.push_back(exact(value_of(row, metric.name)));
      table.push_back(std::move(cells));
    }
  return table;
}

Json to_json(const StudyResults& results) {
  Json metrics = Json::array(), interpolated = Json::array(), rows = Json::array();
  for (const Metric& metric : all_metrics(results))
    metrics.push_back({{"name", metric.name},
                       {"unit", metric.unit},
                       {"better", better_text(metric.better)},
                       {"decimals", metric.decimals}});
  for (const StudyRow& row : results.interpolated) interpolated.push_back(json_of(row, results.axes));
  for (const StudyRow& row : results.rows) rows.push_back(json_of(row, results.axes));
  return {{"axes", results.axes}, {"metrics", metrics}, {"interpolated", interpolated}, {"rows", rows}};
}

TextTable study_mean_table(const StudyResults& results, const std::vector<std::string>& names) {
  const std::vector<Metric> metrics = chosen_metrics(results, names);
  const std::size_t axes = results.axes.size();
  std::vector<bool> pooled(axes), shown(axes);
  for (std::size_t i = 0; i < axes; ++i) {
    pooled[i] = results.axes[i] == kSeed;
    shown[i] = !pooled[i] && std::any_of(results.rows.begin(), results.rows.end(), [&](const StudyRow& row) {
      return row.settings[i] != results.rows.front().settings[i];
    });
  }
  const std::vector<Group> groups = groups_of(results.rows, pooled);

  TextTable table{{}};
  for (std::size_t i = 0; i < axes; ++i)
    if (shown[i]) table[0].push_back(results.axes[i]);
  if (table[0].empty()) table[0].emplace_back("study");
  const std::size_t heading = table[0].size();
  table[0].insert(table[0].end(), {"n", "seconds"});
  for (const Metric& metric : metrics) table[0].push_back(metric.title() + "  ");

  const auto add_row = [&](std::vector<std::string> row, const Group& group, const auto& mark) {
    row.resize(heading);
    row.push_back(std::to_string(count_done(group)));
    row.push_back(mean_text(group.summary([](const StudyRow& r) { return r.seconds; }), 1));
    for (const Metric& metric : metrics) {
      const Summary summary = group.summary(metric);
      row.push_back(mean_text(summary, metric.decimals) + mark(metric, summary));
    }
    table.push_back(std::move(row));
  };
  if (!results.interpolated.empty()) {
    Group group;
    for (const StudyRow& row : results.interpolated) group.rows.push_back(&row);
    add_row({kInterpolated}, group, [](const Metric&, const Summary&) { return "  "; });
  }
  for (const Group& group : groups) {
    std::vector<std::string> settings;
    for (std::size_t i = 0; i < axes; ++i)
      if (shown[i]) settings.push_back(group.settings[i]);
    if (settings.empty()) settings.emplace_back("all");
    add_row(std::move(settings), group, [&](const Metric& metric, const Summary& summary) {
      return groups.size() > 1 && is_best(summary, metric, groups) ? " *" : "  ";
    });
  }
  return table;
}

}  // namespace clade
