// SPDX-License-Identifier: Apache-2.0
#include <iostream>
#include <memory>

#include "tools/eval_commands.h"
#include "tools/eval_study.h"
#include "tools/files.h"

namespace clade {

namespace {

namespace fs = std::filesystem;

struct CompareCommand {
  StudyOptions study;
  std::string table;
  MarkOptions marks;
  bool pairs = false;
  std::string json, csv;
  ScoringOptions scoring;
};

void check_usage(const CompareCommand& command) {
  const StudyOptions& study = command.study;
  CLADE_CHECK(study.methods.empty() != command.table.empty(), ErrorCode::usage, "give either --method or --table");
  CLADE_CHECK(command.table.empty() || (study.acquisitions.empty() && study.references.empty() && study.masks.empty() &&
                                        study.regions.empty()),
              ErrorCode::usage, "--table holds scores; volumes have no meaning beside it");
}

ScoreSheet score_volumes(const CompareCommand& command, ThreadPool& pool, Console& console) {
  const Study study = make_study(command.study);
  ScoreSheet sheet = empty_sheet(study);
  visit_study(study, command.scoring, pool, console,
              [&](std::size_t, std::size_t method, const Volume& volume, const VolumeScorer& scorer) {
                add_scores(sheet, method, scorer.score(volume));
              });
  return sheet;
}

void run(const CompareCommand& command, const CommonOptions& common, Console& console) {
  check_usage(command);
  const PostHoc post_hoc = parse_post_hoc(command.marks.test);
  for (const std::string& output : {command.json, command.csv})
    if (!output.empty()) check_output(output, common.force);
  ThreadPool pool(common.threads);
  const ScoreSheet sheet =
      command.table.empty() ? score_volumes(command, pool, console) : with_context(command.table, [&] {
        return parse_sheet(parse_csv(read_text(command.table)), fs::path(command.table).stem().string());
      });
  const int against = command.marks.against_in(sheet);
  const std::vector<MetricComparison> comparisons = compare(sheet);
  if (!command.csv.empty()) write_text(command.csv, to_csv(to_table(sheet)));
  if (!command.json.empty()) write_text(command.json, to_json(sheet, comparisons).dump(2) + "\n");

  print_table(std::cout, mean_table(sheet, comparisons, post_hoc, against));
  if (sheet.methods.size() < 2 || sheet.subjects.size() < 2) {
    console.message(LogLevel::warning, "statistics need at least two methods and two subjects");
    return;
  }
  std::cout << "\n*, **, ***: differs from " << sheet.methods[static_cast<std::size_t>(against)]
            << " with p < 0.05, 0.01, 0.001 (" << command.marks.test << ")\n\n";
  print_table(std::cout, test_table(comparisons));
  if (!command.pairs) return;
  std::cout << '\n';
  print_table(std::cout, pair_table(sheet, comparisons));
}

}  // namespace

EvalCommand add_compare_command(CLI::App& app) {
  const auto command = std::make_shared<CompareCommand>();
  CompareCommand& c = *command;
  CLI::App* compare =
      app.add_subcommand("compare", "Several methods on several subjects: means, tests, significance marks");
  const char* files = "Files";
  add_method_options(*compare, c.study);
  add_truth_options(*compare, c.study);
  compare
      ->add_option("--table", c.table,
                   "Scores from elsewhere instead of volumes (.csv): methods in the first line, then a line a subject")
      ->group(files);
  compare->add_option("--json", c.json, "Write scores and all statistics")->group(files);
  compare->add_option("--csv", c.csv, "Write scores, a line for each subject and method")->group(files);
  add_mark_options(*compare, c.marks);
  compare->add_flag("--pairs", c.pairs, "Also print all pairs")->group("Statistics");
  add_scoring_options(*compare, c.scoring);
  return {compare, [command](const CommonOptions& common, Console& console) { run(*command, common, console); }};
}

}  // namespace clade
