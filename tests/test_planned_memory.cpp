// SPDX-License-Identifier: Apache-2.0
// What --dry-run says of memory, against what the program takes.
#include <sys/resource.h>

#include <cmath>
#include <regex>

#include "tests/support/runs.h"

using namespace clade;
using test::Outcome;
using test::run;
using test::TempDir;
using test::with;

TEST_CASE("the memory of a plan is what the work takes", "[cli][faults]") {
  const TempDir folder;
  test::make_volume(folder / "v.nii", {192, 224, 24}, {1, 1, 4});
  test::make_volume(folder / "small.nii");
  REQUIRE(run("clade_train", test::tiny_training(folder / "small.nii", folder / "run", 1)).code == 0);
  // Few tiles, so that it takes a second; none, or all of what back-projection needs.
  const std::string rounds = GENERATE(as<std::string>{}, "0", "1");
  const std::string model = (folder / "run" / "latest.safetensors").string();
  const std::vector<std::string> arguments{
      "-q",       "-m", model,       "-i", (folder / "v.nii").string(), "-o",  (folder / "out.nii").string(),
      "--stride", "32", "--threads", "2",  "--back-projection",         rounds};
  const Outcome plan = run("clade_sr", with(arguments, {"--dry-run"}));
  REQUIRE(plan.code == 0);
  std::smatch said;
  REQUIRE(std::regex_search(plan.messages, said, std::regex("memory: +about ([0-9]+) MiB")));
  const Outcome work = run("clade_sr", arguments);
  REQUIRE(work.code == 0);
  // The kernel counts what a process had before it became another program.
  rusage own{};
  getrusage(RUSAGE_SELF, &own);
  REQUIRE(work.peak_kibibytes > own.ru_maxrss);
  const double taken = static_cast<double>(work.peak_kibibytes) / 1024;
  INFO("said " << said[1] << " MiB, taken " << taken << " MiB");
  CHECK(std::abs(std::stod(said[1]) / taken - 1) < 0.2);
}
