// SPDX-License-Identifier: Apache-2.0
#include <iostream>
#include <memory>

#include "core/parallel.h"
#include "tools/eval_commands.h"
#include "tools/files.h"
#include "tools/folder_lock.h"
#include "tools/study_table.h"

namespace clade {

namespace {

namespace fs = std::filesystem;

struct StudyCommand {
  std::string plan;
  std::string output;
  int jobs = 1;
  bool dry_run = false;
  std::vector<std::string> metrics;
};

StudyPlan read_plan(const fs::path& path) {
  return with_context(path.string(), [&] {
    nlohmann::ordered_json json;
    try {
      json = nlohmann::ordered_json::parse(read_text(path));
    } catch (const nlohmann::json::exception& error) {
      fail(ErrorCode::input, error.what());
    }
    return parse_study_plan(json, fs::absolute(path).parent_path());
  });
}

void check_inputs(const StudyPlan& plan) {
  const auto check = [](const fs::path& path) {
    std::error_code error;
    CLADE_CHECK(fs::exists(path, error), ErrorCode::input, "there is no ", path.string());
  };
  for (const fs::path& path : plan.training_inputs) check(path);
  for (const StudyVolume& volume : plan.volumes) {
    check(volume.input);
    for (const auto* path : {&volume.reference, &volume.mask})
      if (*path) check(**path);
  }
}

StudyRunOptions run_options(const StudyCommand& command, const CommonOptions& common) {
  const int threads = common.threads > 0 ? common.threads : default_thread_count();
  return {command.jobs, std::max(1, threads / command.jobs), common.device, common.force};
}

void print_steps(const StudySteps& steps, const StudyRunner& runner) {
  for (std::size_t i = 0; i < steps.steps.size(); ++i) {
    if (runner.outcomes()[i].state == StepState::done) {
      std::cout << "# done: " << steps.steps[i].name << '\n';
      continue;
    }
    std::string line;
    for (const std::string& word : runner.command(i)) line += (line.empty() ? "" : " ") + shell_word(word);
    std::cout << line << '\n';
  }
}

std::string failures(const StudySteps& steps, const std::vector<StepOutcome>& outcomes) {
  std::string list;
  for (std::size_t i = 0; i < outcomes.size(); ++i)
    if (outcomes[i].state == StepState::failed)
      list += str("\n  ", steps.steps[i].name, ": ", outcomes[i].message, " (", steps.steps[i].log.string(), ")");
  return list;
}

void run(const StudyCommand& command, const CommonOptions& common, Console& console) {
  const StudyPlan plan = read_plan(command.plan);
  check_inputs(plan);
  const fs::path folder = command.output;
  const StudySteps steps = make_study_steps(plan, folder);
  const StudyRunOptions options = run_options(command, common);
  if (command.dry_run) return print_steps(steps, StudyRunner(steps.steps, options));

  const FolderLock lock(folder, "runs a study in");
  StudyRunner runner(steps.steps, options);
  runner.run(console);

  const StudyResults results = read_study_results(plan, steps, runner.outcomes());
  const std::string name = fs::path(command.plan).stem().string();
  write_text(folder / (name + ".csv"), to_csv(row_table(results)));
  write_text(folder / (name + ".results.json"), to_json(results).dump(2) + "\n");
  print_table(std::cout, study_mean_table(results, command.metrics));

  if (stop_requested()) fail(ErrorCode::interrupted, "interrupted; the same command goes on from there");
  const std::string failed = failures(steps, runner.outcomes());
  CLADE_CHECK(failed.empty(), ErrorCode::partial, "not all of the study could be done:", failed);
}

}  // namespace

EvalCommand add_study_command(CLI::App& app) {
  const auto command = std::make_shared<StudyCommand>();
  StudyCommand& c = *command;
  CLI::App* study = app.add_subcommand(
      "study", "Trains, applies and scores over a grid of options, in child processes; goes on where it was stopped");
  const char* files = "Files";
  study->add_option("plan", c.plan, "What to vary and on which volumes (.json)")->required()->group(files);
  study
      ->add_option("-o,--output", c.output,
                   "Folder for NAME.csv and NAME.results.json, as the plan is called, and runs/")
      ->required()
      ->group(files);
  study->add_option("--jobs", c.jobs, "Programs at once; they share the threads")
      ->check(in_range(1, 1024))
      ->capture_default_str()
      ->group("Study");
  study->add_option("--metric", c.metrics, "Columns of the printed table [all that have a better direction]")
      ->group("Study");
  study->add_flag("--dry-run", c.dry_run, "Print the commands that are left to run and stop")->group("Study");
  return {study, [command](const CommonOptions& common, Console& console) { run(*command, common, console); }};
}

}  // namespace clade
