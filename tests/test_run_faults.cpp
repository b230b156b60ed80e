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
