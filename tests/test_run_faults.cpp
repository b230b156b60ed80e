// SPDX-License-Identifier: Apache-2.0
// Trainings that share a folder, are damaged, run out of disk or of memory, or are told to stop.
#include <chrono>
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
  CHECK(test::read_bytes(state) == test::read_bytes(folder / "run" / "state.safetensors"));
}
