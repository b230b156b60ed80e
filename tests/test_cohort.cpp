// SPDX-License-Identifier: Apache-2.0
// One call of clade_sr for many volumes.
#include <algorithm>

#include "io/safetensors.h"
#include "tests/support/runs.h"

using namespace clade;
using test::Outcome;
using test::run;
using test::TempDir;

namespace {

namespace fs = std::filesystem;

std::string number(int i) { return std::to_string(1000 + i).substr(1); }

}  // namespace

TEST_CASE("two hundred volumes, some broken: the others are written and memory does not grow", "[cli][faults]") {
  const TempDir folder;
  test::make_volume(folder / "patient.nii", {32, 32, 8}, {1, 1, 4});
  REQUIRE(run("clade_train", test::tiny_training(folder / "patient.nii", folder / "run", 1)).code == 0);
  const std::string good = test::read_bytes(folder / "patient.nii");

  const auto super_resolve = [&](const std::string& name, int count, const std::vector<int>& broken) {
    const fs::path in = folder / name;
    fs::create_directory(in);
    for (int i = 0; i < count; ++i) {
      const bool bad = std::find(broken.begin(), broken.end(), i) != broken.end();
      // Each of its own kind: empty, cut off in the header, cut off in the voxels, no volume at all.
      const std::string damage[] = {"", good.substr(0, 200), good.substr(0, good.size() - 1), "not a volume"};
      test::write_bytes(in / str(number(i), ".nii"), bad ? damage[i % 4] : good);
    }
    return run("clade_sr", {"-q", "-m", (folder / "run" / "latest.safetensors").string(), "-i", in.string(), "-o",
                            (folder / str(name, "_out")).string(), "--stride", "32", "--threads", "2"});
  };
  const Outcome few = super_resolve("few", 10, {});
  INFO(few.messages);
  REQUIRE(few.code == 0);

  const std::vector<int> broken{0, 50, 101, 102, 103, 199};
  const Outcome many = super_resolve("many", 200, broken);
  INFO(many.messages);
  CHECK(many.code == 8);
  const std::string list = many.messages.substr(many.messages.find("6 of 200 inputs failed:"));
  std::string first;
  for (int i = 0; i < 200; ++i) {
    const bool bad = std::find(broken.begin(), broken.end(), i) != broken.end();
    INFO(i);
    CHECK((list.find(str("/", number(i), ".nii")) != std::string::npos) == bad);
    const fs::path output = folder / "many_out" / str(number(i), "_clade.nii");
    REQUIRE(fs::exists(output) == !bad);
    if (bad) continue;
    if (first.empty()) first = test::read_bytes(output);
    CHECK(test::read_bytes(output) == first);
  }
  CHECK(std::distance(fs::directory_iterator(folder / "many_out"), fs::directory_iterator{}) == 194);
  INFO("KiB: " << few.peak_kibibytes << " for 10, " << many.peak_kibibytes << " for 200");
  // A volume and its result take 150 KiB here, 190 of them 28 MiB.
  CHECK(many.peak_kibibytes < few.peak_kibibytes + 4096);
}
