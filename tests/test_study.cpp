// SPDX-License-Identifier: Apache-2.0
// clade_eval study: what is run, what is not run again, and what is made of it.
#include <algorithm>
#include <chrono>
#include <set>
#include <thread>

#include <nlohmann/json.hpp>

#include "tests/support/errors.h"
#include "tests/support/runs.h"
#include "tools/score_file.h"
#include "tools/study_table.h"

using namespace clade;
using clade::test::contains;
using clade::test::error_of;
using test::check_refused;
using test::Outcome;
using test::Program;
using test::read_bytes;
using test::run;
using test::TempDir;

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using Strings = std::vector<std::string>;

StudyPlan parse(const std::string& text) { return parse_study_plan(Json::parse(text), "/data"); }

// A study of one volume beside it.
Json tiny_study(const TempDir& folder, int steps) {
  if (!fs::exists(folder / "thick.nii.gz")) test::make_volume(folder / "thick.nii.gz");
  const Json fixed{{"base-channels", 4}, {"residual-blocks", 1}, {"patches-per-slice", 1}, {"steps", steps}};
  return {{"volumes", {{{"name", "v"}, {"input", "thick.nii.gz"}}}},
          {"train", {{"fixed", fixed}, {"grid", {{"lambda-gradient", {0, 5}}}}}},
          {"apply", {{"grid", {{"stride", {16, 24}}}}}},
          {"score", {{"edges", 10}}}};
}

Strings study_arguments(const TempDir& folder, const Json& study, const Strings& more = {}) {
  test::write_bytes(folder / "study.json", study.dump());
  return test::with({"study", (folder / "study.json").string(), "-o", (folder / "out").string(), "--threads", "1"},
                    more);
}

// Without the times.
TextTable rows_of(const fs::path& csv) {
  TextTable table = parse_csv(read_bytes(csv));
  const auto column = std::find(table.at(0).begin(), table.at(0).end(), "seconds") - table[0].begin();
  REQUIRE(column < std::ssize(table[0]));
  for (auto& row : table) row.erase(row.begin() + column);
  return table;
}

std::map<std::string, fs::file_time_type> times_below(const fs::path& folder) {
  std::map<std::string, fs::file_time_type> times;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) times[entry.path().string()] = entry.last_write_time();
  return times;
}

StudyRow row(const std::string& volume, const Strings& settings, std::optional<double> psnr,
             StepState state = StepState::done) {
  StudyRow row{volume, settings, state, 2.0, {}};
  if (state == StepState::done)
    row.scores = {{{"psnr", "dB", Better::higher, 1}, psnr}, {{"ratio", "", Better::neither, 1}, 1.0}};
  return row;
}

}  // namespace

TEST_CASE("a study's grid is expanded in order, into names fit for files", "[study]") {
  const StudyPlan plan = parse(R"({
    "volumes": [{"name": "a", "input": "a.nii", "reference": "/truth/a.nii"}, {"name": "b", "input": "b.nii"}],
    "train": {"fixed": {"preset": "ct", "paper": true, "validate": ["a.nii", "../b.nii"]},
              "grid": {"lambda-cycle": [0.1, 1], "intensity": ["minmax", "percentile:0,99.9"]}},
    "checkpoints": [1, "latest"],
    "apply": {"grid": {"stride": [6, 12]}}})");
  const std::vector<GridPoint> points = expand(plan.train);
  REQUIRE(points.size() == 4);
  CHECK(points[1].name == "lambda-cycle=0.1_intensity=percentile-0-99.9");
  CHECK(points[1].values == Strings{"0.1", "percentile:0,99.9"});
  CHECK(points[2].arguments == Strings{"--preset=ct", "--paper", "--validate", "/data/a.nii", "/b.nii",
                                       "--lambda-cycle=1", "--intensity=minmax"});
  const StudySteps steps = make_study_steps(plan, "/out");
  // For each volume 4 trainings, each with 2 checkpoints at 2 strides.
  CHECK(steps.cases.size() == 2 * 4 * 2 * 2);
  CHECK(steps.steps.size() == 2 * 4 + 2 * steps.cases.size());
  CHECK(steps.steps[0].arguments[1] == "/data/a.nii");
  CHECK(steps.steps[steps.cases[0].score].output ==
        "/out/runs/a/lambda-cycle=0.1_intensity=minmax/epoch_0001_stride=6/a.scores.json");
  std::set<fs::path> outputs, records;
  for (const StudyStep& step : steps.steps) {
    outputs.insert(step.output);
    records.insert(step.record);
  }
  CHECK(outputs.size() == steps.steps.size());
  CHECK(records.size() == steps.steps.size());
}

TEST_CASE("a study that trains on volumes of its own trains once for all", "[study]") {
  const StudyPlan plan = parse(R"({"volumes": [{"name": "a", "input": "a.nii"}, {"name": "b", "input": "b.nii"}],
                                   "train": {"input": ["cohort"], "grid": {"seed": [1, 2, 3]}}})");
  const StudySteps steps = make_study_steps(plan, "/out");
  CHECK(steps.steps.size() == 3 + 2 * 6);
  CHECK(steps.steps[0].arguments == Strings{"--input", "/data/cohort", "--seed=1"});
  CHECK(steps.cases[1].volume == 1);
  CHECK(steps.steps[steps.cases[1].apply].after == 0);
}

TEST_CASE("the examples are the studies of the paper", "[study]") {
  const fs::path folder = fs::path(CLADE_GOLDEN_DIR) / "../../examples/study";
  const auto plan = [&](const char* name) { return parse_study_plan(Json::parse(read_bytes(folder / name)), folder); };
  CHECK(expand(plan("lambda_grid.json").train).size() == 27);
  CHECK(plan("epochs.json").checkpoints.size() == 10);
  const StudyPlan strides = plan("strides.json");
  CHECK(expand(strides.apply).size() == 5);
  // They share the training.
  CHECK(make_study_steps(strides, "/out").steps[0].arguments ==
        make_study_steps(plan("epochs.json"), "/out").steps[0].arguments);
}

TEST_CASE("study files with mistakes are refused", "[study]") {
  const std::string volumes = R"("volumes": [{"name": "a", "input": "a.nii"}])";
  const std::vector<std::pair<std::string, std::string>> mistakes{
      {"{}", "volumes"},
      {R"({"volumes": [{"name": "a"}]})", "input"},
      {R"({"volumes": [{"name": "a/b", "input": "a.nii"}]})", "a/b"},
      {R"({"volumes": [{"name": "a", "input": "x"}, {"name": "a", "input": "y"}]})", "two are called"},
      {R"({"volumes": [{"name": "a", "input": "x", "mask": "y"}]})", "reference"},
      {"{" + volumes + R"(, "tarin": {}})", "tarin"},
      {"{" + volumes + R"(, "train": {"lambda-cycle": 1}})", "lambda-cycle"},
      {"{" + volumes + R"(, "train": {"fixed": {"seed": 1}, "grid": {"seed": [1, 2]}}})", "seed"},
      {"{" + volumes + R"(, "train": {"grid": {"seed": [1, 1]}}})", "twice"},
      {"{" + volumes + R"(, "train": {"grid": {"seed": 1}}})", "list"},
      {"{" + volumes + R"(, "train": {"grid": {"intensity": ["a:b", "a,b"]}}})", "two combinations"},
      {"{" + volumes + R"(, "train": {"fixed": {"--seed": 1}}})", "without dashes"},
      {"{" + volumes + R"(, "train": {"fixed": {"resume": true}}})", "--resume"},
      {"{" + volumes + R"(, "apply": {"fixed": {"output": "x"}}})", "--output"},
      {"{" + volumes + R"(, "score": {"json": "x"}})", "--json"},
      {"{" + volumes + R"(, "score": {"edges": {}}})", "edges"},
      {"{" + volumes + R"(, "checkpoints": [0]})", "0"},
      {"{" + volumes + R"(, "checkpoints": ["first"]})", "first"}};
  for (const auto& [text, word] : mistakes) {
    INFO(text);
    CHECK(contains(error_of(ErrorCode::input, [&] { parse(text); }), word));
  }
}

TEST_CASE("the table of a study pools volumes and seeds and marks the best", "[study]") {
  StudyResults results;
  results.axes = {"lambda-cycle", "seed", "checkpoint", "stride"};
  results.interpolated = {row("a", {}, 10.0), row("b", {}, 12.0)};
  // All have the same checkpoint, which is no column then.
  const auto add = [&](const std::string& lambda, std::vector<std::optional<double>> values) {
    std::size_t i = 0;
    for (const char* volume : {"a", "b"})
      for (const char* seed : {"1", "2"}) {
        const std::optional<double> value = values[i++];
        results.rows.push_back(
            row(volume, {lambda, seed, "latest", "6"}, value, value ? StepState::done : StepState::failed));
      }
  };
  add("1", {20.0, 22.0, 24.0, 26.0});
  add("5", {21.0, 23.0, 25.0, 27.0});
  add("10", {30.0, {}, 30.0, 30.0});
  const TextTable table = study_mean_table(results, {});
  CHECK(table == TextTable{{"lambda-cycle", "n", "seconds", "psnr [dB]  "},
                           {"interpolated", "2", "2.0 +- 0.0", "11.0 +- 1.4  "},
                           {"1", "4", "2.0 +- 0.0", "23.0 +- 2.6  "},
                           {"5", "4", "2.0 +- 0.0", "24.0 +- 2.6 *"},
                           // Best of those that it has, but it lacks one.
                           {"10", "3", "2.0 +- 0.0", "30.0 +- 0.0  "}});
  CHECK(study_mean_table(results, {"ratio"})[0].back() == "ratio  ");
  error_of(ErrorCode::usage, [&] { study_mean_table(results, {"psnr", "ssim"}); });
  const TextTable rows = row_table(results);
  CHECK(rows[0] ==
        Strings{"volume", "lambda-cycle", "seed", "checkpoint", "stride", "state", "seconds", "psnr", "ratio"});
  CHECK(rows[1] == Strings{"a", "", "", "interpolated", "", "done", "2.00", "10.0", "1.0"});
  CHECK(rows.back() == Strings{"b", "10", "2", "latest", "6", "done", "2.00", "30.0", "1.0"});
  CHECK(rows[12] == Strings{"a", "10", "2", "latest", "6", "failed", "2.00", "", ""});
}

TEST_CASE("scores survive a trip through their file", "[study]") {
  const VolumeScores scores{{{{"psnr", "dB", Better::higher, 2}, 0.1}, {{"seams", "", Better::near_one, 3}, {}}},
                            {{"a", 1}}};
  const std::string text = to_json(std::vector<NamedScores>{{"x", scores}}).dump();
  const std::vector<NamedScores> read = named_scores_from_json(text);
  REQUIRE(read.size() == 1);
  CHECK(read[0].name == "x");
  REQUIRE(read[0].scores.scores.size() == 2);
  const Score& psnr = read[0].scores.scores[0];
  CHECK(psnr.metric.title() == "psnr [dB]");
  CHECK(psnr.metric.better == Better::higher);
  CHECK(psnr.value == 0.1);
  CHECK(read[0].scores.scores[1].metric.decimals == 3);
  CHECK_FALSE(read[0].scores.scores[1].value.has_value());
  CHECK(read[0].scores.details == scores.details);
  for (const char* junk : {"", "{}", R"({"metrics": [], "volumes": [{}]})"})
    error_of(ErrorCode::input, [&] { named_scores_from_json(junk); });
}

TEST_CASE("a study that is done is not done again, unless it changes", "[cli][study]") {
  const TempDir folder;
  Json study = tiny_study(folder, 3);
  const Strings arguments = study_arguments(folder, study, {"--jobs", "2", "-q"});
  const Outcome planned = run("clade_eval", test::with(arguments, {"--dry-run"}));
  INFO(planned.messages);
  REQUIRE(planned.code == 0);
  CHECK(contains(planned.messages, "--lambda-gradient=5"));
  CHECK_FALSE(fs::exists(folder / "out"));

  const Outcome outcome = run("clade_eval", arguments);
  INFO(outcome.messages);
  REQUIRE(outcome.code == 0);
  for (const char* word : {"lambda-gradient", "stride", "interpolated", "piqe_sagittal"}) {
    INFO(word);
    CHECK(contains(outcome.messages, word));
  }
  const TextTable rows = rows_of(folder / "out/study.csv");
  REQUIRE(rows.size() == 1 + 1 + 4);
  CHECK(rows[0][1] == "lambda-gradient");
  CHECK(rows[4][1] == "5");
  CHECK(rows[4][3] == "16");
  const auto json = Json::parse(read_bytes(folder / "out/study.results.json"));
  CHECK(json.at("rows").at(3).at("scores").at("piqe_sagittal").is_number());

  const auto before = times_below(folder / "out/runs");
  const Outcome again = run("clade_eval", arguments);
  CHECK(again.code == 0);
  CHECK(again.messages == outcome.messages);
  CHECK(times_below(folder / "out/runs") == before);

  // Another value is another run; what was there stays.
  study["train"]["grid"]["lambda-gradient"] = {5};
  study["apply"]["grid"]["stride"] = {16, 20};
  CHECK(run("clade_eval", study_arguments(folder, study)).code == 0);
  CHECK(rows_of(folder / "out/study.csv").size() == 1 + 1 + 2);
  const auto after = times_below(folder / "out/runs");
  CHECK(after.size() > before.size());
  for (const auto& [path, time] : before) CHECK(after.at(path) == time);

  // A training with other options would stand under the same name.
  study["train"]["fixed"]["steps"] = 4;
  check_refused(run("clade_eval", study_arguments(folder, study)), 5, {"lambda-gradient=5", "--force"});
  CHECK(times_below(folder / "out/runs") == after);
  CHECK(run("clade_eval", study_arguments(folder, study, {"--force"})).code == 0);
  const std::string log = read_bytes(folder / "out/runs/v/lambda-gradient=5/run/log.jsonl");
  CHECK(std::count(log.begin(), log.end(), '\n') == 4);
  const fs::path result = "out/runs/v/lambda-gradient=5/latest_stride=16/v.nii.gz";
  CHECK(times_below(folder / "out").at((folder / result.string()).string()) >
        after.at((folder / result.string()).string()));
}

TEST_CASE("a run that fails does not take the others of a study with it", "[cli][study]") {
  const TempDir folder;
  Json study = tiny_study(folder, 2);
  study["train"]["grid"] = {{"upsample", {"sideways", "resize"}}};
  study["checkpoints"] = {"latest", "best"};  // none is kept
  study["apply"] = Json::object();
  const Outcome outcome = run("clade_eval", study_arguments(folder, study));
  check_refused(outcome, 8, {"sideways", "runs/v/upsample=sideways/run.log", "best.safetensors"});
  const TextTable rows = rows_of(folder / "out/study.csv");
  REQUIRE(rows.size() == 1 + 1 + 4);
  CHECK(rows[2][3] == "failed");
  CHECK(rows[4][1] == "resize");
  CHECK(rows[4][2] == "latest");
  CHECK(rows[4][3] == "done");
  CHECK(rows[5][3] == "failed");
  // A second try tells of its own error, not of the first one.
  study["train"]["grid"] = {{"upsample", {"sideways"}}};
  study["train"]["fixed"]["norm"] = "none at all";
  const Outcome second = run("clade_eval", study_arguments(folder, study));
  check_refused(second, 8, {"none at all"});
  CHECK_FALSE(contains(second.messages, "'sideways'"));
  study["train"]["fixed"].erase("norm");
  // What failed is tried again, also with other options.
  study["train"]["grid"] = {{"upsample", {"resize"}}};
  study["checkpoints"] = {"latest"};
  CHECK(run("clade_eval", study_arguments(folder, study)).code == 0);
}

TEST_CASE("an interrupted study goes on to the same scores", "[cli][study]") {
  const TempDir folder, undisturbed;
  const Json study = tiny_study(folder, 150);
  REQUIRE(run("clade_eval", study_arguments(undisturbed, tiny_study(undisturbed, 150), {"--jobs", "2"})).code == 0);

  const Strings arguments = study_arguments(folder, study, {"--jobs", "2"});
  Program program("clade_eval", arguments, folder / "messages");
  const fs::path point = folder / "out/runs/v/lambda-gradient=0";
  for (int i = 0; i < 6000 && !fs::exists(point / "run/log.jsonl"); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  program.signal(SIGTERM);
  check_refused(program.wait(), 130, {"the same command goes on"});
  CHECK(contains(read_bytes(point / "run.log"), "interrupted after step"));
  CHECK(fs::exists(point / "run/state.safetensors"));
  CHECK(rows_of(folder / "out/study.csv")[1][4] == "waiting");

  const Outcome resumed = run("clade_eval", arguments);
  INFO(resumed.messages);
  REQUIRE(resumed.code == 0);
  CHECK(rows_of(folder / "out/study.csv") == rows_of(undisturbed / "out/study.csv"));
}

TEST_CASE("one study at a time in a folder, on volumes that are there", "[cli][study]") {
  const TempDir folder;
  Json study = tiny_study(folder, 100000);
  const Strings arguments = study_arguments(folder, study);
  Program program("clade_eval", arguments, folder / "messages");
  for (int i = 0; i < 6000 && !fs::exists(folder / "out/runs/v/lambda-gradient=0/run/log.jsonl"); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  check_refused(run("clade_eval", arguments), 5, {"runs a study in"});
  program.signal(SIGINT);
  CHECK(program.wait().code == 130);
  study["volumes"][0]["reference"] = "nowhere.nii";
  check_refused(run("clade_eval", study_arguments(folder, study)), 3, {"nowhere.nii"});
  test::write_bytes(folder / "study.json", "{");
  check_refused(run("clade_eval", arguments), 3, {"study.json"});
}
