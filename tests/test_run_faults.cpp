// SPDX-License-Identifier: Apache-2.0
// Trainings that share a folder, are damaged, run out of disk or of memory, or are told to stop.
#include <chrono>
#include <csignal>
#include <thread>

#include "io/safetensors.h"
#include "tests/support/runs.h"

using namespace clade;
using test::check_refused;
using test::check_same_run;
using test::make_volume;
using test::Outcome;
using test::Program;
using test::run;
using test::TempDir;
using test::tiny_training;
using test::with;

namespace {

namespace fs = std::filesystem;

constexpr auto kDeadline = std::chrono::seconds(60);

// Polls; a program that never gets there fails the test.
template <class Condition>
void wait_until(const Condition& condition) {
  const auto start = std::chrono::steady_clock::now();
  while (!condition()) {
    REQUIRE(std::chrono::steady_clock::now() - start < kDeadline);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

std::vector<std::string> resume(const fs::path& folder) { return {"--resume", "-q", "-o", folder.string()}; }

}  // namespace

TEST_CASE("one process trains in a folder, and a killed one leaves no lock", "[cli][faults]") {
  const TempDir folder;
  make_volume(folder / "v.nii.gz");
  const auto endless = tiny_training(folder / "v.nii.gz", folder / "run", 1'000'000);
  Program first("clade_train", with(endless, {"--checkpoint-minutes", "0"}), folder / "log");
  wait_until([&] { return fs::exists(folder / "run" / "state.safetensors"); });

  const std::string holder = "process " + std::to_string(first.id()) + " on ";
  check_refused(run("clade_train", resume(folder / "run")), 5, {holder, (folder / "run").string()});
  check_refused(run("clade_train", with(endless, {"--force"})), 5, {holder});
  first.signal(SIGKILL);
  CHECK(first.wait().code == 128 + SIGKILL);
  CHECK(fs::exists(folder / "run" / ".lock"));
  CHECK(run("clade_train", with(resume(folder / "run"), {"--steps", "1"})).code == 0);
}

TEST_CASE("a damaged checkpoint is refused, and the message says how to go on", "[cli][faults]") {
  const TempDir folder;
  make_volume(folder / "v.nii.gz");
  const fs::path run_folder = folder / "run";
  REQUIRE(run("clade_train", tiny_training(folder / "v.nii.gz", run_folder, 2)).code == 0);
  const auto damaged = [](std::string bytes, double share) {
    const auto at = static_cast<std::size_t>(share * static_cast<double>(bytes.size() - 1));
    bytes[at] = static_cast<char>(bytes[at] ^ 4);
    return bytes;
  };
  const fs::path state = run_folder / "state.safetensors", latest = run_folder / "latest.safetensors";
  const std::string good_state = test::read_bytes(state), good_model = test::read_bytes(latest);
  for (const double share : {0.0, 0.01, 0.5, 1.0}) {
    INFO("at " << share);
    test::write_bytes(state, damaged(good_state, share));
    check_refused(run("clade_train", with(resume(run_folder), {"--steps", "3"})), 4,
                  {state.string(), "--init " + latest.string()});
    test::write_bytes(latest, damaged(good_model, share));
    check_refused(run("clade_sr", {"-m", latest.string(), "-i", (folder / "v.nii.gz").string(), "-o",
                                   (folder / "out.nii.gz").string()}),
                  4, {latest.string()});
    test::write_bytes(latest, good_model);
  }
  // What the message says is possible.
  CHECK(run("clade_train", {"-i", (folder / "v.nii.gz").string(), "-q", "--steps", "1", "--init", latest.string(), "-o",
                            (folder / "next").string()})
            .code == 0);
}

TEST_CASE("a checkpoint of before there were checksums is resumed", "[cli][faults]") {
  const TempDir folder;
  make_volume(folder / "v.nii.gz");
  for (const char* name : {"run", "old"})
    REQUIRE(run("clade_train", tiny_training(folder / "v.nii.gz", folder / name, 2)).code == 0);
  const fs::path state = folder / "old" / "state.safetensors";
  std::string bytes = test::read_bytes(state);
  const std::string entries = R"("checksum":"00000000","checksum_kind":"crc32",)";
  const std::size_t at = bytes.find(R"("checksum":")");
  REQUIRE(at != std::string::npos);
  bytes.replace(at, entries.size(), std::string(entries.size(), ' '));
  test::write_bytes(state, bytes);
  for (const char* name : {"run", "old"})
    REQUIRE(run("clade_train", with(resume(folder / name), {"--steps", "5"})).code == 0);
  const bool same = test::read_bytes(state) == test::read_bytes(folder / "run" / "state.safetensors");
  CHECK(same);
}

TEST_CASE("SIGTERM and a lost terminal save and end a training at once", "[cli][faults]") {
  const TempDir folder;
  make_volume(folder / "v.nii.gz");
  const fs::path run_folder = folder / "run";
  const int signal = GENERATE(SIGTERM, SIGHUP);
  // With one checkpoint an hour, what is there after the signal was saved because of it.
  Program program("clade_train",
                  with(tiny_training(folder / "v.nii.gz", run_folder, 1'000'000), {"--checkpoint-minutes", "60"}),
                  folder / "log");
  wait_until([&] { return fs::exists(run_folder / "log.jsonl"); });
  const auto sent = std::chrono::steady_clock::now();
  program.signal(signal);
  // The kernel and the shell both tell of it.
  for (int i = 0; i < 5 && signal == SIGHUP; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    program.signal(signal);
  }
  const Outcome outcome = program.wait();
  // A step takes milliseconds here; the rest is a machine with other work.
  CHECK(std::chrono::steady_clock::now() - sent < std::chrono::seconds(10));
  CHECK(outcome.code == 130);
  CHECK(run("clade_train", with(resume(run_folder), {"--steps", "1"})).code == 0);
}

TEST_CASE("a training under nohup does not end with its terminal", "[cli][faults]") {
  const TempDir folder;
  make_volume(folder / "v.nii.gz");
  const fs::path run_folder = folder / "run";
  Program program("clade_train", tiny_training(folder / "v.nii.gz", run_folder, 1'000'000), folder / "log",
                  [] { std::signal(SIGHUP, SIG_IGN); });
  const auto log_size = [&] {
    std::error_code none;
    const auto size = fs::file_size(run_folder / "log.jsonl", none);
    return none ? 0 : size;
  };
  wait_until([&] { return log_size() > 0; });
  program.signal(SIGHUP);
  const auto before = log_size();
  wait_until([&] { return log_size() > 20 * before; });
  program.signal(SIGTERM);
  CHECK(program.wait().code == 130);
}

TEST_CASE("losses and weights that are not finite exit with 7 and keep the last checkpoint", "[cli][faults]") {
  const TempDir folder;
  make_volume(folder / "v.nii.gz");
  const fs::path run_folder = folder / "run";
  REQUIRE(
      run("clade_train", with(tiny_training(folder / "v.nii.gz", run_folder, 5), {"--learning-rate", "1e-4"})).code ==
      0);

  // From weights that overflow.
  TensorFile huge = read_safetensors(run_folder / "latest.safetensors");
  for (auto& [name, tensor] : huge.tensors)
    if (name.starts_with("discriminator"))
      for (float& value : tensor.values) value *= 1e30f;
  write_safetensors(folder / "huge.safetensors", huge);
  check_refused(run("clade_train", {"-i", (folder / "v.nii.gz").string(), "-o", (folder / "lost").string(), "--steps",
                                    "3", "--init", (folder / "huge.safetensors").string()}),
                7, {"step 1: the loss "});
  CHECK_FALSE(fs::exists(folder / "lost" / "state.safetensors"));

  // In the middle of a run: config.json is how a run that went on gets a rate that destroys it.
  const fs::path config = run_folder / "config.json", state = run_folder / "state.safetensors";
  const std::string good_config = test::read_bytes(config), good_state = test::read_bytes(state);
  std::string bad_config = good_config;
  const std::string rate = "\"learning_rate\": 0.0001";
  REQUIRE(bad_config.find(rate) != std::string::npos);
  bad_config.replace(bad_config.find(rate), rate.size(), "\"learning_rate\": 3e38");
  test::write_bytes(config, bad_config);
  check_refused(run("clade_train", with(resume(run_folder), {"--steps", "9", "--checkpoint-minutes", "0"})), 7,
                {"step 6: the tensor ", "the last checkpoint is kept"});
  const bool kept = test::read_bytes(state) == good_state;
  CHECK(kept);
  test::write_bytes(config, good_config);
  CHECK(run("clade_train", with(resume(run_folder), {"--steps", "9"})).code == 0);
}
