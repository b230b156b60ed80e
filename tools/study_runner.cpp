// SPDX-License-Identifier: Apache-2.0
// A step's record is written before it starts and when it has ended. Records of steps that use its result go before it
// starts, so that nothing is taken for done that was made from an older result, whenever this process is killed.
#include "tools/study_runner.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <memory>
#include <set>
#include <thread>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "tools/child_process.h"
#include "tools/cli.h"
#include "tools/files.h"

namespace clade {

namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kStarted = "started";
constexpr auto kPollInterval = std::chrono::milliseconds(20);

struct Record {
  std::vector<std::string> arguments;
  std::string state;
  double seconds = 0.0;
};

std::optional<Record> read_record(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return {};
  try {
    const nlohmann::json json = nlohmann::json::parse(in);
    return Record{json.at("arguments").get<std::vector<std::string>>(), json.at("state").get<std::string>(),
                  json.at("seconds").get<double>()};
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorCode::input, path.string(), ": ", error.what());
  }
}

void write_record(const StudyStep& step, const std::string& state, double seconds) {
  const nlohmann::ordered_json json{{"arguments", step.arguments}, {"state", state}, {"seconds", seconds}};
  write_text(step.record, json.dump(2) + "\n");
}

void remove_file(const fs::path& path) {
  std::error_code error;
  fs::remove(path, error);
  CLADE_CHECK(!error, ErrorCode::output, "cannot remove ", path.string(), ": ", error.message());
}

std::uintmax_t size_of(const fs::path& path) {
  std::error_code error;
  const std::uintmax_t size = fs::file_size(path, error);
  return error ? 0 : size;
}

// The last error in the log from `begin` on: earlier tries are in it, too.
std::string last_error(const fs::path& log, std::uintmax_t begin) {
  std::ifstream in(log);
  in.seekg(static_cast<std::streamoff>(begin));
  std::string found;
  for (std::string line; std::getline(in, line);) {
    const std::size_t at = line.find(": error: ");
    if (line.starts_with("clade_") && at != std::string::npos) found = line.substr(at + 9);
  }
  return found;
}

std::vector<std::string> program_words(StudyProgram program) {
  switch (program) {
    case StudyProgram::train:
      return {"clade_train"};
    case StudyProgram::apply:
      return {"clade_sr"};
    case StudyProgram::score:
      return {"clade_eval", "score"};
  }
  fail(ErrorCode::internal, "program ", static_cast<int>(program));
}

}  // namespace

const char* state_text(StepState state) {
  return state == StepState::done ? "done" : state == StepState::failed ? "failed" : "waiting";
}

struct StudyRunner::Running {
  std::size_t step;
  Clock::time_point begin;
  std::uintmax_t log_begin;
  std::unique_ptr<ChildProcess> process;
};

StudyRunner::StudyRunner(const std::vector<StudyStep>& steps, const StudyRunOptions& options)
    : steps_(steps),
      options_(options),
      outcomes_(steps.size()),
      begun_(steps.size()),
      resumable_(steps.size()),
      started_(steps.size()) {
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const StudyStep& step = steps_[i];
    const std::optional<Record> record = read_record(step.record);
    if (!record) continue;
    begun_[i] = true;
    const bool same = record->arguments == step.arguments;
    CLADE_CHECK(same || options_.force || record->state == state_text(StepState::failed), ErrorCode::output, step.name,
                " was made with other options or inputs (", step.record.string(), "); --force makes it anew");
    std::error_code error;
    const bool input_done = !step.after || outcomes_[*step.after].state == StepState::done;
    if (same && input_done && record->state == state_text(StepState::done) && fs::exists(step.output, error)) {
      outcomes_[i] = {StepState::done, record->seconds, ""};
    } else {
      resumable_[i] =
          same && step.program == StudyProgram::train && fs::exists(step.output.parent_path() / "config.json", error);
    }
  }
}

std::vector<std::string> StudyRunner::command(std::size_t step) const {
  const StudyStep& s = steps_[step];
  std::vector<std::string> words = program_words(s.program);
  if (resumable_[step]) {
    words.push_back("--resume");
  } else {
    words.insert(words.end(), s.arguments.begin(), s.arguments.end());
    if (begun_[step]) words.push_back("--force");
  }
  words.insert(words.end(), s.places.begin(), s.places.end());
  words.insert(words.end(), {"--threads", std::to_string(options_.threads)});
  if (s.program != StudyProgram::score) words.insert(words.end(), {"--device", options_.device});
  return words;
}

bool StudyRunner::ready(std::size_t step) const {
  const std::optional<std::size_t> after = steps_[step].after;
  return outcomes_[step].state == StepState::waiting && !started_[step] &&
         (!after || outcomes_[*after].state == StepState::done);
}

void StudyRunner::forget_what_follows(std::size_t step) {
  std::set<std::size_t> stale{step};
  for (std::size_t i = step + 1; i < steps_.size(); ++i) {
    if (!steps_[i].after || !stale.contains(*steps_[i].after)) continue;
    stale.insert(i);
    remove_file(steps_[i].record);
    remove_file(steps_[i].output);
    begun_[i] = false;
  }
}

void StudyRunner::start(std::size_t step, std::vector<Running>& running) {
  const StudyStep& s = steps_[step];
  started_[step] = true;
  try {
    forget_what_follows(step);
    create_folder(s.record.parent_path());
    std::vector<std::string> words = command(step);
    const fs::path program = find_program(words.front());
    words.erase(words.begin());
    write_record(s, kStarted, 0.0);
    running.push_back({step, Clock::now(), size_of(s.log), std::make_unique<ChildProcess>(program, words, s.log)});
  } catch (const Error& error) {
    outcomes_[step] = {StepState::failed, 0.0, error.what()};
  }
}

void StudyRunner::finish(const Running& ended, int code, bool stopping) {
  const StudyStep& s = steps_[ended.step];
  // It did as it was told, or had no time yet to listen.
  if (stopping && (code == static_cast<int>(ErrorCode::interrupted) || code == 128 + SIGTERM)) return;
  const double seconds = std::chrono::duration<double>(Clock::now() - ended.begin).count();
  StepOutcome outcome{StepState::done, seconds, ""};
  if (code != 0) {
    const std::string error = last_error(s.log, ended.log_begin);
    outcome = {StepState::failed, seconds, str("code ", code, error.empty() ? "" : ": ", error)};
  }
  try {
    write_record(s, state_text(outcome.state), seconds);
  } catch (const Error& error) {
    outcome = {StepState::failed, seconds, error.what()};
  }
  outcomes_[ended.step] = outcome;
}

void StudyRunner::run(Console& console) {
  std::vector<Running> running;
  bool stopping = false;
  const auto count = [&](StepState state) {
    return std::count_if(outcomes_.begin(), outcomes_.end(), [&](const auto& o) { return o.state == state; });
  };
  const auto tell = [&](std::size_t step) {
    if (outcomes_[step].state != StepState::failed) return;
    console.end_progress();
    console.message(LogLevel::warning, str(steps_[step].name, " failed: ", outcomes_[step].message));
  };
  console.begin_progress(count(StepState::done));
  for (;;) {
    if (stop_requested() && !stopping) {
      stopping = true;
      for (const Running& one : running) one.process->signal(SIGTERM);
    }
    std::erase_if(running, [&](const Running& one) {
      const std::optional<int> code = one.process->poll();
      if (!code) return false;
      finish(one, *code, stopping);
      tell(one.step);
      return true;
    });
    // The first one that can be run: results of a training come before the next training.
    for (std::size_t i = 0; i < steps_.size() && !stopping && std::ssize(running) < options_.jobs; ++i)
      if (ready(i)) {
        start(i, running);
        tell(i);
      }
    const auto done = count(StepState::done);
    console.progress(done, std::ssize(steps_), [&] {
      return str(done, '/', steps_.size(), " done, ", running.size(), " running",
                 running.empty() ? "" : ": " + steps_[running.front().step].name);
    });
    if (running.empty()) break;
    std::this_thread::sleep_for(kPollInterval);
  }
  console.end_progress();
}

}  // namespace clade
