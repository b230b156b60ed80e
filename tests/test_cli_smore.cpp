// SPDX-License-Identifier: Apache-2.0
// clade_smore as a user runs it.
#include "io/nifti.h"
#include "tests/support/catch.h"
#include "tests/support/program.h"
#include "tests/support/volumes.h"

using namespace clade;
using test::Outcome;
using test::run;
using test::TempDir;

namespace {

namespace fs = std::filesystem;

Outcome smore(const fs::path& input, const fs::path& output, const std::vector<std::string>& more = {}) {
  std::vector<std::string> arguments{"-i", input.string(), "-o", output.string(), "--steps",
                                     "2",  "--batch",      "2",  "--patch",       "8",
                                     "-q", "--channels",   "5",  "--blocks",      "1"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run("clade_smore", arguments);
}

void make_volume(const fs::path& path, const std::array<double, 3>& spacing) {
  write_nifti(path, test::random_volume(test::make_geometry({36, 40, 9}, spacing)), VoxelType::int16);
}

}  // namespace

TEST_CASE("clade_smore writes the grid of clade_sr, with the same bytes for any number of threads", "[cli]") {
  const TempDir folder;
  make_volume(folder / "thick.nii.gz", {1, 1, 4.5});
  const Outcome done = smore(folder / "thick.nii.gz", folder / "a.nii",
                             {"--threads", "1", "--dtype", "same", "--preview", (folder / "p.png").string()});
  INFO(done.messages);
  REQUIRE(done.code == 0);
  CHECK(done.messages.empty());
  REQUIRE(smore(folder / "thick.nii.gz", folder / "b.nii", {"--threads", "3", "--dtype", "same"}).code == 0);
  CHECK((test::read_bytes(folder / "a.nii") == test::read_bytes(folder / "b.nii")));
  CHECK(test::read_bytes(folder / "p.png").substr(1, 3) == "PNG");

  REQUIRE(run("clade_sr", {"-m", std::string(CLADE_GOLDEN_DIR) + "/init.safetensors", "-i",
                           (folder / "thick.nii.gz").string(), "-o", (folder / "sr.nii").string()})
              .code == 0);
  const Volume result = read_nifti(folder / "a.nii"), expected = read_nifti(folder / "sr.nii");
  CHECK(result.stored_type == VoxelType::int16);
  CHECK(result.geometry.size == expected.geometry.size);
  CHECK(result.geometry.spacing == expected.geometry.spacing);
  CHECK(result.geometry.affine == expected.geometry.affine);
}

TEST_CASE("clade_smore refuses with the code that says why, and leaves nothing", "[cli]") {
  const TempDir folder;
  make_volume(folder / "thick.nii.gz", {1, 1, 4.5});
  make_volume(folder / "isotropic.nii.gz", {1, 1, 1});
  const fs::path out = folder / "out.nii.gz";
  const auto refused = [&](const Outcome& outcome, int code, const std::string& word) {
    INFO(outcome.messages);
    CHECK(outcome.code == code);
    CHECK(outcome.messages.find(word) != std::string::npos);
    CHECK_FALSE(fs::exists(out));
  };
  refused(smore(folder / "isotropic.nii.gz", out), 3, "isotropic.nii.gz");
  refused(smore(folder / "missing.nii.gz", out), 3, "missing.nii.gz");
  refused(smore(folder / "thick.nii.gz", out, {"--thickness", "0.5"}), 2, "thickness");
  refused(smore(folder / "thick.nii.gz", folder / "out.png"), 2, "--output");
  refused(smore(folder / "thick.nii.gz", out, {"--preview-reference", "x.nii"}), 2, "--preview");
  const std::string before = test::read_bytes(folder / "isotropic.nii.gz");
  CHECK(smore(folder / "thick.nii.gz", folder / "isotropic.nii.gz").code == 5);
  CHECK((test::read_bytes(folder / "isotropic.nii.gz") == before));
  CHECK(smore(folder / "thick.nii.gz", folder / "isotropic.nii.gz", {"--force"}).code == 0);
}
