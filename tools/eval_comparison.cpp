// SPDX-License-Identifier: Apache-2.0
#include "tools/eval_comparison.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <CLI/CLI.hpp>

#include "core/error.h"
#include "tools/json_integer.h"

namespace clade {

namespace {

constexpr double kAlpha = 0.05;

std::string p_text(double p) { return p < 0.0001 ? "<0.0001" : fixed(p, 4); }

// p between two methods.
double p_between(const std::vector<PairwiseComparison>& pairs, int a, int b) {
  for (const PairwiseComparison& pair : pairs)
    if (pair.a == std::min(a, b) && pair.b == std::max(a, b)) return pair.p;
  return 1.0;
}

// Scores of the subjects that every method has a value for.
ScoreTable complete_scores(const std::vector<std::vector<std::optional<double>>>& values) {
  ScoreTable scores(values.size());
  for (std::size_t subject = 0; subject < values.front().size(); ++subject) {
    const bool complete =
        std::all_of(values.begin(), values.end(), [&](const auto& method) { return method[subject].has_value(); });
    if (!complete) continue;
    for (std::size_t method = 0; method < values.size(); ++method) scores[method].push_back(*values[method][subject]);
  }
  return scores;
}

nlohmann::ordered_json pairs_json(const ScoreSheet& sheet, const std::vector<PairwiseComparison>& pairs) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const PairwiseComparison& pair : pairs)
    json.push_back({{"a", sheet.methods[static_cast<std::size_t>(pair.a)]},
                    {"b", sheet.methods[static_cast<std::size_t>(pair.b)]},
                    {"difference", pair.difference},
                    {"q", pair.q},
                    {"p", pair.p}});
  return json;
}

}  // namespace

ScoreSheet parse_sheet(const TextTable& table, const std::string& metric) {
  CLADE_CHECK(table.size() >= 2 && table.front().size() >= 3, ErrorCode::input,
              "expected a first line with the names of two methods or more, then a line for each subject");
  ScoreSheet sheet;
  sheet.methods.assign(table.front().begin() + 1, table.front().end());
  sheet.metrics.push_back({metric, "", Better::neither, 3});
  sheet.values.emplace_back(sheet.methods.size());
  for (std::size_t row = 1; row < table.size(); ++row) {
    sheet.subjects.push_back(table[row].front());
    for (std::size_t method = 0; method < sheet.methods.size(); ++method) {
      const std::string& cell = table[row][method + 1];
      double value = 0.0;
      const auto [stop, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
      CLADE_CHECK(error == std::errc{} && stop == cell.data() + cell.size() && std::isfinite(value), ErrorCode::input,
                  "line ", row + 1, ", ", sheet.methods[method], ": '", cell, "' is not a number");
      sheet.values.front()[method].emplace_back(value);
    }
  }
  return sheet;
}

int MarkOptions::against_in(const ScoreSheet& sheet) const {
  if (against.empty()) return 0;
  const auto found = std::find(sheet.methods.begin(), sheet.methods.end(), against);
  CLADE_CHECK(found != sheet.methods.end(), ErrorCode::usage, "--against: there is no method '", against, "'");
  return static_cast<int>(found - sheet.methods.begin());
}

void add_mark_options(CLI::App& app, MarkOptions& options) {
  const char* statistics = "Statistics";
  app.add_option("--against", options.against, "The method that marks are about [the first]")->group(statistics);
  app.add_option("--test", options.test, "Behind the marks: tukey-paired, tukey or nemenyi")
      ->check(CLI::IsMember({"tukey-paired", "tukey", "nemenyi"}))
      ->capture_default_str()
      ->group(statistics);
}

PostHoc parse_post_hoc(const std::string& name) {
  if (name == "tukey-paired") return PostHoc::tukey_paired;
  if (name == "tukey") return PostHoc::tukey;
  if (name == "nemenyi") return PostHoc::nemenyi;
  fail(ErrorCode::usage, "unknown test '", name, "', expected tukey-paired, tukey or nemenyi");
}

const std::vector<PairwiseComparison>& MetricComparison::Tests::of(PostHoc post_hoc) const {
  return post_hoc == PostHoc::tukey ? tukey : post_hoc == PostHoc::nemenyi ? nemenyi : tukey_paired;
}

std::vector<MetricComparison> compare(const ScoreSheet& sheet) {
  std::vector<MetricComparison> comparisons;
  for (std::size_t metric = 0; metric < sheet.metrics.size(); ++metric) {
    const ScoreTable scores = complete_scores(sheet.values[metric]);
    MetricComparison comparison;
    comparison.metric = sheet.metrics[metric];
    comparison.subjects = static_cast<int>(scores.front().size());
    for (const auto& method : scores) comparison.summaries.push_back(summarize(method));
    if (comparison.subjects >= 2 && scores.size() >= 2) {
      MetricComparison::Tests tests;
      tests.anova = repeated_measures_anova(scores);
      tests.friedman = friedman_test(scores);
      tests.tukey = tukey_hsd(scores, TukeyError::independent);
      tests.tukey_paired = tukey_hsd(scores, TukeyError::paired);
      tests.nemenyi = nemenyi_test(scores);
      tests.critical_difference =
          nemenyi_critical_difference(static_cast<int>(scores.size()), comparison.subjects, kAlpha);
      comparison.tests = std::move(tests);
    }
    comparisons.push_back(std::move(comparison));
  }
  return comparisons;
}

std::string significance_mark(const MetricComparison& comparison, PostHoc post_hoc, int method, int against) {
  if (!comparison.tests || method == against) return "";
  const double p = p_between(comparison.tests->of(post_hoc), method, against);
  return p < 0.001 ? "***" : p < 0.01 ? "**" : p < 0.05 ? "*" : "";
}

TextTable mean_table(const ScoreSheet& sheet, const std::vector<MetricComparison>& comparisons, PostHoc post_hoc,
                     int against) {
  TextTable table{{"metric"}};
  for (const std::string& method : sheet.methods) table[0].push_back(method);
  table[0].insert(table[0].end(), {"better", "n"});
  for (const MetricComparison& comparison : comparisons) {
    const int decimals = comparison.metric.decimals;
    std::vector<std::string> row{comparison.metric.title()};
    for (std::size_t method = 0; method < sheet.methods.size(); ++method) {
      const Summary& summary = comparison.summaries[method];
      std::string cell = summary.count > 0 ? fixed(summary.mean, decimals) : "-";
      if (summary.count > 1) cell += " +- " + fixed(summary.sd, decimals);
      std::string mark = significance_mark(comparison, post_hoc, static_cast<int>(method), against);
      // Numbers stay below one another whatever the mark.
      mark.resize(3, ' ');
      row.push_back(cell + " " + mark);
    }
    row.push_back(better_text(comparison.metric.better));
    row.push_back(std::to_string(comparison.subjects));
    table.push_back(std::move(row));
  }
  return table;
}

TextTable test_table(const std::vector<MetricComparison>& comparisons) {
  TextTable table{{"test over all methods", "ANOVA F", "df", "p", "epsilon", "p (G.-G.)", "Friedman", "p"}};
  for (const MetricComparison& comparison : comparisons) {
    if (!comparison.tests) continue;
    const RepeatedMeasuresAnova& anova = comparison.tests->anova;
    table.push_back({comparison.metric.name, fixed(anova.f, 3),
                     str(anova.numerator_freedom, ", ", anova.denominator_freedom), p_text(anova.p),
                     fixed(anova.epsilon, 3), p_text(anova.corrected_p),
                     fixed(comparison.tests->friedman.chi_squared, 3), p_text(comparison.tests->friedman.p)});
  }
  return table;
}

TextTable pair_table(const ScoreSheet& sheet, const std::vector<MetricComparison>& comparisons) {
  TextTable table{{"pair", "difference", "p Tukey paired", "p Tukey", "p Nemenyi"}};
  for (const MetricComparison& comparison : comparisons) {
    if (!comparison.tests) continue;
    const MetricComparison::Tests& tests = *comparison.tests;
    for (std::size_t i = 0; i < tests.tukey.size(); ++i) {
      const PairwiseComparison& pair = tests.tukey[i];
      table.push_back({str(comparison.metric.name, ": ", sheet.methods[static_cast<std::size_t>(pair.b)], " - ",
                           sheet.methods[static_cast<std::size_t>(pair.a)]),
                       fixed(pair.difference, comparison.metric.decimals), p_text(tests.tukey_paired[i].p),
                       p_text(pair.p), p_text(tests.nemenyi[i].p)});
    }
  }
  return table;
}

nlohmann::ordered_json to_json(const ScoreSheet& sheet, const std::vector<MetricComparison>& comparisons) {
  nlohmann::ordered_json metrics = nlohmann::ordered_json::array();
  for (std::size_t m = 0; m < comparisons.size(); ++m) {
    const MetricComparison& comparison = comparisons[m];
    nlohmann::ordered_json methods = nlohmann::ordered_json::array();
    for (std::size_t method = 0; method < sheet.methods.size(); ++method) {
      nlohmann::ordered_json values = nlohmann::ordered_json::array();
      for (const auto& value : sheet.values[m][method])
        values.push_back(value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr));
      const Summary& summary = comparison.summaries[method];
      methods.push_back({{"name", sheet.methods[method]},
                         {"mean", summary.mean},
                         {"sd", summary.sd},
                         {"median", summary.median},
                         {"values", values}});
    }
    nlohmann::ordered_json json{{"name", comparison.metric.name},
                                {"unit", comparison.metric.unit},
                                {"better", better_text(comparison.metric.better)},
                                {"decimals", comparison.metric.decimals},
                                {"n", comparison.subjects},
                                {"methods", methods}};
    if (comparison.tests) {
      const MetricComparison::Tests& tests = *comparison.tests;
      json["anova"] = {{"f", tests.anova.f},
                       {"df", {tests.anova.numerator_freedom, tests.anova.denominator_freedom}},
                       {"p", tests.anova.p},
                       {"greenhouse_geisser_epsilon", tests.anova.epsilon},
                       {"greenhouse_geisser_p", tests.anova.corrected_p}};
      json["friedman"] = {{"chi_squared", tests.friedman.chi_squared},
                          {"p", tests.friedman.p},
                          {"mean_ranks", tests.friedman.mean_ranks}};
      json["tukey_paired"] = pairs_json(sheet, tests.tukey_paired);
      json["tukey"] = pairs_json(sheet, tests.tukey);
      json["nemenyi"] = pairs_json(sheet, tests.nemenyi);
      json["nemenyi_critical_difference"] = tests.critical_difference;
    }
    metrics.push_back(std::move(json));
  }
  return {{"methods", sheet.methods}, {"subjects", sheet.subjects}, {"metrics", metrics}};
}

ScoreSheet sheet_from_json(const std::string& text) {
  ScoreSheet sheet;
  try {
    const nlohmann::json json = nlohmann::json::parse(text);
    sheet.methods = json.at("methods").get<std::vector<std::string>>();
    sheet.subjects = json.at("subjects").get<std::vector<std::string>>();
    for (const auto& entry : json.at("metrics")) {
      Metric metric{entry.at("name"), entry.at("unit"), parse_better(entry.at("better").get<std::string>()),
                    integer_at<int>(entry, "decimals", 0, kMostDecimals)};
      CLADE_CHECK(entry.at("methods").size() == sheet.methods.size(), ErrorCode::input, metric.name, " has ",
                  entry.at("methods").size(), " methods, expected ", sheet.methods.size());
      std::vector<std::vector<std::optional<double>>> values;
      for (const auto& method : entry.at("methods")) {
        values.emplace_back();
        for (const auto& value : method.at("values"))
          values.back().push_back(value.is_null() ? std::nullopt : std::optional(value.get<double>()));
        CLADE_CHECK(values.back().size() == sheet.subjects.size(), ErrorCode::input, metric.name, " has ",
                    values.back().size(), " values of a method for ", sheet.subjects.size(), " subjects");
      }
      sheet.metrics.push_back(std::move(metric));
      sheet.values.push_back(std::move(values));
    }
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorCode::input, "not written by clade_eval compare --json: ", error.what());
  }
  CLADE_CHECK(!sheet.methods.empty() && !sheet.subjects.empty() && !sheet.metrics.empty(), ErrorCode::input,
              "there are no scores");
  return sheet;
}

TextTable to_table(const ScoreSheet& sheet) {
  TextTable table{{"subject", "method"}};
  for (const Metric& metric : sheet.metrics) table[0].push_back(metric.name);
  for (std::size_t subject = 0; subject < sheet.subjects.size(); ++subject)
    for (std::size_t method = 0; method < sheet.methods.size(); ++method) {
      table.push_back({sheet.subjects[subject], sheet.methods[method]});
      for (const auto& metric : sheet.values) table.back().push_back(exact(metric[method][subject]));
    }
  return table;
}

}  // namespace clade
