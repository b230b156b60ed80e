// SPDX-License-Identifier: Apache-2.0
// Scores of several methods on the same subjects, and what can be concluded from them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "metrics/statistics.h"
#include "metrics/summary.h"
#include "tools/eval_scores.h"
#include "tools/eval_table.h"

namespace clade {

/// All scores, values[metric][method][subject].
struct ScoreSheet {
  std::vector<std::string> methods, subjects;
  std::vector<Metric> metrics;
  std::vector<std::vector<std::vector<std::optional<double>>>> values;
};

/// A sheet with one metric from a table: the first line names the methods, the first column the subjects.
/// Throws Error(input) for cells that are not finite numbers, fewer than two methods, or no subject.
ScoreSheet parse_sheet(const TextTable& table, const std::string& metric);

/// Which corrected p decides about the marks.
enum class PostHoc { tukey_paired, tukey, nemenyi };
/// Throws Error(usage) for an unknown name.
PostHoc parse_post_hoc(const std::string& name);

/// What the marks are about, as options say it.
struct MarkOptions {
  std::string test = "tukey-paired";
  std::string against;  ///< name of a method; empty: the first one

  /// Position of that method. Throws Error(usage) when the sheet has none of that name.
  int against_in(const ScoreSheet& sheet) const;
};
/// Adds --against and --test.
void add_mark_options(CLI::App& app, MarkOptions& options);

/// Everything about one metric. Subjects that lack a value for any method are left out of all of it.
struct MetricComparison {
  Metric metric;
  int subjects = 0;                ///< that count
  std::vector<Summary> summaries;  ///< by method
  /// The tests; none with fewer than two subjects.
  struct Tests {
    RepeatedMeasuresAnova anova;
    FriedmanTest friedman;
    std::vector<PairwiseComparison> tukey, tukey_paired, nemenyi;
    double critical_difference = 0.0;  ///< of mean ranks, p = 0.05

    const std::vector<PairwiseComparison>& of(PostHoc post_hoc) const;
  };
  std::optional<Tests> tests;
};

std::vector<MetricComparison> compare(const ScoreSheet& sheet);

/// "*", "**", "***" for p < 0.05, 0.01, 0.001 between two methods, else nothing.
std::string significance_mark(const MetricComparison& comparison, PostHoc post_hoc, int method, int against);

/// Means and standard deviations, marked where they differ from method number `against` (* p < 0.05, ** 0.01, ***
/// 0.001).
TextTable mean_table(const ScoreSheet& sheet, const std::vector<MetricComparison>& comparisons, PostHoc post_hoc,
                     int against);
/// The tests over all methods, one line a metric.
TextTable test_table(const std::vector<MetricComparison>& comparisons);
/// p of every pair.
TextTable pair_table(const ScoreSheet& sheet, const std::vector<MetricComparison>& comparisons);

nlohmann::ordered_json to_json(const ScoreSheet& sheet, const std::vector<MetricComparison>& comparisons);
/// The scores of a file that to_json() made. Throws Error(input) for other contents.
ScoreSheet sheet_from_json(const std::string& text);
/// One line for each subject and method.
TextTable to_table(const ScoreSheet& sheet);

}  // namespace clade
