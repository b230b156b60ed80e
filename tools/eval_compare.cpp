// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iostream>
#include <memory>

#include "io/nifti.h"
#include "metrics/grids.h"
#include "tools/eval_commands.h"
#include "tools/eval_comparison.h"
#include "tools/files.h"

namespace clade {

namespace {

namespace fs = std::filesystem;

struct CompareCommand {
  std::vector<std::string> methods;
  std::vector<std::string> acquisitions, references, masks, regions;
  std::string table;
  std::string test = "tukey-paired";
  std::string against;
  bool pairs = false;
  std::string json, csv;
  ScoringOptions scoring;
};

struct Method {
  std::string name;
  std::vector<fs::path> volumes;  // by subject
};

// "NAME=PATH,PATH"; a name that comes again gets more volumes.
std::vector<Method> parse_methods(const std::vector<std::string>& texts) {
  std::vector<Method> methods;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    CLADE_CHECK(equals != std::string::npos && equals > 0 && equals + 1 < text.size(), ErrorCode::usage, "--method: '",
                text, "', expected NAME=PATH");
    const std::string name = text.substr(0, equals);
    auto method = std::find_if(methods.begin(), methods.end(), [&](const Method& m) { return m.name == name; });
    if (method == methods.end()) method = methods.insert(methods.end(), {name, {}});
    std::vector<std::string> paths;
    for (std::size_t at = equals; at != std::string::npos;) {
      const std::size_t comma = text.find(',', at + 1);
      paths.push_back(text.substr(at + 1, comma == std::string::npos ? comma : comma - at - 1));
      at = comma;
    }
    for (fs::path& path : expand_inputs(paths)) method->volumes.push_back(std::move(path));
  }
  for (const Method& method : methods)
    CLADE_CHECK(method.volumes.size() == methods.front().volumes.size(), ErrorCode::usage, "method ", method.name,
                " has ", method.volumes.size(), " volumes, method ", methods.front().name, " ",
                methods.front().volumes.size(), "; each needs one of every subject, in the same order");
  return methods;
}

// One file for each subject, or none at all.
std::vector<fs::path> per_subject(const std::vector<std::string>& names, std::size_t subjects, const char* option) {
  if (names.empty()) return {};
  std::vector<fs::path> files = expand_inputs(names);
  CLADE_CHECK(files.size() == subjects, ErrorCode::usage, option, ": ", files.size(), " volumes for ", subjects,
              " subjects");
  return files;
}

ScoreSheet score_volumes(const CompareCommand& command, ThreadPool& pool, Console& console) {
  const std::vector<Method> methods = parse_methods(command.methods);
  const std::size_t subjects = methods.front().volumes.size();
  const auto acquisitions = per_subject(command.acquisitions, subjects, "--acquisition");
  const auto references = per_subject(command.references, subjects, "--reference");
  const auto masks = per_subject(command.masks, subjects, "--mask");
  const auto regions = per_subject(command.regions, subjects, "--regions");

  ScoreSheet sheet;
  const bool with_interpolation =
      !acquisitions.empty() &&
      std::none_of(methods.begin(), methods.end(), [](const Method& m) { return m.name == "interpolated"; });
  if (with_interpolation) sheet.methods.push_back("interpolated");
  for (const Method& method : methods) sheet.methods.push_back(method.name);

  const auto add = [&](const VolumeScores& scores, std::size_t method) {
    if (sheet.metrics.empty())
      for (const Score& score : scores.scores) {
        sheet.metrics.push_back(score.metric);
        sheet.values.emplace_back(sheet.methods.size());
      }
    CLADE_CHECK(
        scores.scores.size() == sheet.metrics.size() &&
            std::equal(sheet.metrics.begin(), sheet.metrics.end(), scores.scores.begin(),
                       [](const Metric& metric, const Score& score) { return metric.name == score.metric.name; }),
        ErrorCode::input, "this subject has other metrics than the first one; give --slice-axis");
    for (std::size_t metric = 0; metric < sheet.metrics.size(); ++metric)
      sheet.values[metric][method].push_back(scores.scores[metric].value);
  };
  console.begin_progress(0);
  for (std::size_t subject = 0; subject < subjects; ++subject) {
    const fs::path& first = methods.front().volumes[subject];
    sheet.subjects.push_back(split_nifti_name(acquisitions.empty() ? first : acquisitions[subject]).stem);
    with_context(first.string(), [&] {
      Volume volume = read_nifti(first, console.log());
      SubjectContext context;
      if (!acquisitions.empty()) context.acquisition = read_nifti(acquisitions[subject], console.log());
      if (!references.empty()) context.reference = read_nifti(references[subject], console.log());
      const auto read_labels = [&](const fs::path& path) {
        Volume labels = read_nifti(path, console.log());
        with_context(path.string(), [&] { check_same_grid(labels.geometry, volume.geometry); });
        return labels;
      };
      if (!masks.empty()) context.region = mask_region(read_labels(masks[subject]));
      if (!regions.empty()) {
        const Volume labels = read_labels(regions[subject]);
        context.signal = label_region(labels, 1);
        context.air = label_region(labels, 2);
      }
      const VolumeScorer scorer(command.scoring, std::move(context), volume, pool);
      if (with_interpolation) add(scorer.score(*scorer.interpolated()), 0);
      for (std::size_t method = 0; method < methods.size(); ++method) {
        const fs::path& path = methods[method].volumes[subject];
        if (method > 0) volume = read_nifti(path, console.log());
        with_context(path.string(), [&] { add(scorer.score(volume), method + (with_interpolation ? 1 : 0)); });
        if (stop_requested()) fail(ErrorCode::interrupted, "interrupted");
      }
    });
    console.progress(static_cast<long long>(subject + 1), static_cast<long long>(subjects),
                     [&] { return str("subject ", subject + 1, "/", subjects); });
  }
  console.end_progress();
  return sheet;
}

int index_of(const std::vector<std::string>& methods, const std::string& name) {
  const auto found = std::find(methods.begin(), methods.end(), name);
  CLADE_CHECK(found != methods.end(), ErrorCode::usage, "--against: there is no method '", name, "'");
  return static_cast<int>(found - methods.begin());
}

void check_usage(const CompareCommand& command) {
  CLADE_CHECK(command.methods.empty() != command.table.empty(), ErrorCode::usage, "give either --method or --table");
  CLADE_CHECK(command.table.empty() || (command.acquisitions.empty() && command.references.empty() &&
                                        command.masks.empty() && command.regions.empty()),
              ErrorCode::usage, "--table holds scores; volumes have no meaning beside it");
  CLADE_CHECK(command.masks.empty() || !command.references.empty(), ErrorCode::usage,
              "--mask says where errors against --reference count");
}

void run(const CompareCommand& command, const CommonOptions& common, Console& console) {
  check_usage(command);
  const PostHoc post_hoc = parse_post_hoc(command.test);
  for (const std::string& output : {command.json, command.csv})
    if (!output.empty()) check_output(output, common.force);
  ThreadPool pool(common.threads);
  const ScoreSheet sheet =
      command.table.empty() ? score_volumes(command, pool, console) : with_context(command.table, [&] {
        return parse_sheet(parse_csv(read_text(command.table)), fs::path(command.table).stem().string());
      });
  const int against = command.against.empty() ? 0 : index_of(sheet.methods, command.against);
  const std::vector<MetricComparison> comparisons = compare(sheet);
  if (!command.csv.empty()) write_text(command.csv, to_csv(to_table(sheet)));
  if (!command.json.empty()) write_text(command.json, to_json(sheet, comparisons).dump(2) + "\n");

  print_table(std::cout, mean_table(sheet, comparisons, post_hoc, against));
  if (sheet.methods.size() < 2 || sheet.subjects.size() < 2) {
    console.message(LogLevel::warning, "statistics need at least two methods and two subjects");
    return;
  }
  std::cout << "\n*, **, ***: differs from " << sheet.methods[static_cast<std::size_t>(against)]
            << " with p < 0.05, 0.01, 0.001 (" << command.test << ")\n\n";
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
  compare
      ->add_option("-m,--method", c.methods, "NAME=PATH: a folder, or files with commas between (once for each method)")
      ->group(files);
  compare
      ->add_option("-a,--acquisition", c.acquisitions, "Thick slices, one volume a subject; adds their interpolation")
      ->group(files);
  compare->add_option("-r,--reference", c.references, "The truth, one volume a subject")->group(files);
  compare->add_option("--mask", c.masks, "Where errors against the references count, one volume a subject")
      ->group(files);
  compare->add_option("--regions", c.regions, "For the SNR: labels 1 (signal) and 2 (air), one volume a subject")
      ->group(files);
  compare
      ->add_option("--table", c.table,
                   "Scores from elsewhere instead of volumes (.csv): methods in the first line, then a line a subject")
      ->group(files);
  compare->add_option("--json", c.json, "Write scores and all statistics")->group(files);
  compare->add_option("--csv", c.csv, "Write scores, a line for each subject and method")->group(files);
  const char* statistics = "Statistics";
  compare->add_option("--against", c.against, "The method that marks are about [the first]")->group(statistics);
  compare->add_option("--test", c.test, "Behind the marks: tukey-paired, tukey or nemenyi")
      ->check(CLI::IsMember({"tukey-paired", "tukey", "nemenyi"}))
      ->capture_default_str()
      ->group(statistics);
  compare->add_flag("--pairs", c.pairs, "Also print all pairs")->group(statistics);
  add_scoring_options(*compare, c.scoring);
  return {compare, [command](const CommonOptions& common, Console& console) { run(*command, common, console); }};
}

}  // namespace clade
