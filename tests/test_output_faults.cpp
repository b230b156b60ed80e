// SPDX-License-Identifier: Apache-2.0
// Disks that are full, readers that went away, too little memory: an exit code that says so, and nothing half-written.
#include <sys/resource.h>

#include "io/safetensors.h"
#include "tests/support/runs.h"

using namespace clade;
using test::check_refused;
using test::check_same_run;
using test::make_volume;
using test::Outcome;
using test::Program;
using test::read_bytes;
using test::run;
using test::TempDir;
using test::tiny_training;
using test::with;

namespace {

namespace fs = std::filesystem;

const std::string kModel = std::string(CLADE_GOLDEN_DIR) + "/init.safetensors";

// Writing past this size fails as on a full disk.
auto largest_file(rlim_t bytes) {
  return [bytes] {
    const rlimit limit{bytes, bytes};
    setrlimit(RLIMIT_FSIZE, &limit);
  };
}

auto address_space(rlim_t bytes) {
  return [bytes] {
    const rlimit limit{bytes, bytes};
    setrlimit(RLIMIT_AS, &limit);
  };
}

// As behind `| head -1` once head has gone.
auto broken_pipe(int descriptor) {
  return [descriptor] {
    int ends[2];
    if (pipe(ends) != 0) _exit(126);
    close(ends[0]);
    dup2(ends[1], descriptor);
  };
}

void full_device() { dup2(open("/dev/full", O_WRONLY), STDOUT_FILENO); }

std::vector<std::string> application(const TempDir& folder, const char* output) {
  return {"-m", kModel, "-i", (folder / "v.nii.gz").string(), "-o", (folder / output).string(), "--stride", "32"};
}

}  // namespace

TEST_CASE("a checkpoint that does not fit on the disk keeps the last one", "[cli][faults]") {
  const TempDir folder;
  make_volume(folder / "v.nii.gz");
  const auto training = [&](const char* name, int steps) {
    return tiny_training(folder / "v.nii.gz", folder / name, steps);
  };
  REQUIRE(run("clade_train", training("unbroken", 60)).code == 0);
  REQUIRE(run("clade_train", training("run", 5)).code == 0);
  const fs::path state = folder / "run" / "state.safetensors";
  const std::string before = read_bytes(state);
  const std::vector<std::string> resume{"--resume", "-q", "--steps", "60", "-o", (folder / "run").string()};
  // Room for a model, but not for a state, which is three times as large.
  check_refused(run("clade_train", resume, largest_file(before.size() / 2)), 5, {state.string(), "File too large"});
  const bool kept = read_bytes(state) == before;
  CHECK(kept);
  for (const auto& [name, bytes] : test::contents(folder / "run")) CHECK_FALSE(name.starts_with(".tmp-"));
  CHECK(run("clade_train", resume).code == 0);
  check_same_run(folder / "unbroken", folder / "run");

  // The log of the first steps already does not fit.
  check_refused(run("clade_train", with(training("small", 20), {"--checkpoint-minutes", "1e-9"}), largest_file(600)), 5,
                {(folder / "small").string(), "File too large"});
}

TEST_CASE("outputs that do not fit on the disk leave nothing", "[cli][faults]") {
  const TempDir folder;
  make_volume(folder / "v.nii.gz");
  check_refused(run("clade_sr", application(folder, "out.nii.gz"), largest_file(2000)), 5,
                {"out.nii.gz", "File too large"});
  check_refused(run("clade_sr", with(application(folder, "out.nii"), {"--preview", (folder / "p.png").string()}),
                    largest_file(2000)),
                5, {"out.nii", "File too large"});
  const std::string thin = (folder / "v.nii.gz").string();
  check_refused(
      run("clade_eval", {"degrade", "-i", thin, "-o", (folder / "d.nii.gz").string(), "--axis", "lr", "--spacing", "2"},
          largest_file(2000)),
      5, {"d.nii.gz", "File too large"});
  check_refused(run("clade_eval", {"score", "-i", thin, "--json", (folder / "s.json").string()}, largest_file(500)), 5,
                {"s.json", "File too large"});
  CHECK(folder.count() == 1);
}

TEST_CASE("standard output that nobody reads is a failed output", "[cli][faults]") {
  const TempDir folder;
  make_volume(folder / "v.nii.gz");
  const auto plan = with(application(folder, "out.nii.gz"), {"--dry-run"});
  const std::vector<std::string> score{"score", "-i", (folder / "v.nii.gz").string(), "--json",
                                       (folder / "s.json").string()};
  check_refused(run("clade_sr", plan, broken_pipe(STDOUT_FILENO)), 5, {"standard output", "Broken pipe"});
  check_refused(run("clade_sr", plan, full_device), 5, {"standard output", "No space left"});
  check_refused(run("clade_eval", score, full_device), 5, {"standard output", "No space left"});
  // The file was asked for too, and it is whole.
  CHECK(read_bytes(folder / "s.json").ends_with("}\n"));
  check_refused(run("clade_eval", with(score, {"--force"}), broken_pipe(STDOUT_FILENO)), 5, {"Broken pipe"});
  CHECK(run("clade_train", {"--version"}, full_device).code == 5);

  // Messages are no results: a training does not end for them.
  auto training = tiny_training(folder / "v.nii.gz", folder / "run", 3);
  training.pop_back();
  CHECK(run("clade_train", training, broken_pipe(STDERR_FILENO)).code == 0);
  CHECK(fs::exists(folder / "run" / "state.safetensors"));
}

TEST_CASE("folders that cannot be written to exit with 5", "[cli][faults]") {
  const TempDir folder;
  make_volume(folder / "v.nii.gz");
  // Not even root makes files here.
  check_refused(run("clade_train", tiny_training(folder / "v.nii.gz", "/proc/run", 2)), 5, {"/proc/run"});
  auto plan = application(folder, "");
  plan[5] = "/proc/out.nii.gz";
  check_refused(run("clade_sr", plan), 5, {"/proc/out.nii.gz"});
}

TEST_CASE("too little memory exits with 6 and leaves nothing", "[cli][faults]") {
  const TempDir folder;
  make_volume(folder / "v.nii.gz", {64, 64, 16}, {1, 1, 4});
  int refused = 0;
  // Below 40 MiB the libraries themselves cannot be loaded; each step up fails at another place.
  for (const rlim_t mebibytes : {40u, 100u, 160u, 240u}) {
    INFO(mebibytes << " MiB");
    const auto check = [&](const Outcome& outcome, const char* output) {
      INFO(outcome.messages);
      CHECK((outcome.code == 0 || outcome.code == 6 || outcome.code == 127));
      if (outcome.code != 6) return;
      ++refused;
      CHECK(outcome.messages.find("error: ") != std::string::npos);
      CHECK_FALSE(fs::exists(folder / output));
    };
    check(run("clade_sr", with(application(folder, "o.nii.gz"), {"--threads", "3", "--batch", "512"}),
              address_space(mebibytes << 20)),
          "o.nii.gz");
    check(run("clade_train",
              {"-i", (folder / "v.nii.gz").string(), "-o", (folder / "run").string(), "--base-channels", "32",
               "--steps", "1", "--batch", "8", "--threads", "3"},
              address_space(mebibytes << 20)),
          "run/state.safetensors");
    std::error_code ignored;
    fs::remove(folder / "o.nii.gz", ignored);
    fs::remove_all(folder / "run", ignored);
  }
  CHECK(refused >= 4);
}
