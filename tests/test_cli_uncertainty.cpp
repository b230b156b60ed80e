// SPDX-License-Identifier: Apache-2.0
// clade_sr --uncertainty: one volume, several, and what the report makes of it.
#include <algorithm>

#include "io/nifti.h"
#include "tests/support/catch.h"
#include "tests/support/runs.h"

using namespace clade;
using test::check_refused;
using test::make_volume;
using test::Outcome;
using test::run;
using test::TempDir;
using test::with;

namespace {

namespace fs = std::filesystem;

std::vector<std::string> application(const fs::path& input, const fs::path& output, const fs::path& uncertainty) {
  return {"-m",
          std::string(CLADE_GOLDEN_DIR) + "/init.safetensors",
          "--stride",
          "16",
          "-i",
          input.string(),
          "-o",
          output.string(),
          "--uncertainty",
          uncertainty.string()};
}

}  // namespace

TEST_CASE("clade_sr writes a map of uncertainty that the report shows", "[cli]") {
  const TempDir folder;
  make_volume(folder / "v.nii.gz");
  const auto apply = application(folder / "v.nii.gz", folder / "out.nii.gz", folder / "sd.nii.gz");
  const Outcome plan = run("clade_sr", with(apply, {"--dry-run"}));
  REQUIRE(plan.code == 0);
  CHECK(plan.messages.find("uncertainty: " + (folder / "sd.nii.gz").string() + "\n") != std::string::npos);
  REQUIRE(run("clade_sr", with(apply, {"--dtype", "same"})).code == 0);

  const Volume result = read_nifti(folder / "out.nii.gz"), map = read_nifti(folder / "sd.nii.gz");
  CHECK(result.stored_type == VoxelType::int16);
  CHECK(map.stored_type == VoxelType::float32);
  CHECK(map.slope == 1.0);
  CHECK(map.geometry.size == result.geometry.size);
  CHECK(map.geometry.affine == result.geometry.affine);
  const auto [least, greatest] = std::minmax_element(map.voxels.begin(), map.voxels.end());
  CHECK(*least == 0.0f);
  CHECK(*greatest > 0.0f);

  const Outcome report =
      run("clade_eval", {"report", "-m", "clade=" + (folder / "out.nii.gz").string(), "--uncertainty",
                         "clade=" + (folder / "sd.nii.gz").string(), "-o", (folder / "page.html").string()});
  INFO(report.messages);
  CHECK(report.code == 0);
  CHECK(test::read_bytes(folder / "page.html").find("\"uncertainty\":[{\"name\":\"clade\"") != std::string::npos);

  // Neither volume is replaced unasked, and before any work.
  fs::remove(folder / "out.nii.gz");
  check_refused(run("clade_sr", apply), 5, {"sd.nii.gz", "--force"});
  CHECK_FALSE(fs::exists(folder / "out.nii.gz"));
}

TEST_CASE("maps of uncertainty of several volumes go to a folder", "[cli]") {
  const TempDir folder;
  fs::create_directory(folder / "in");
  make_volume(folder / "in" / "a.nii.gz");
  make_volume(folder / "in" / "b.nii");
  test::write_bytes(folder / "in" / "c.nii.gz", "broken");
  check_refused(run("clade_sr", application(folder / "in", folder / "out", folder / "sd")), 8, {"c.nii.gz"});
  for (const char* name : {"a_clade.nii.gz", "b_clade.nii"}) {
    CHECK(fs::exists(folder / "out" / name));
    CHECK(fs::exists(folder / "sd" / name));
  }
  CHECK(std::distance(fs::directory_iterator(folder / "sd"), {}) == 2);
}

TEST_CASE("places where a map of uncertainty cannot go are refused", "[cli]") {
  const TempDir folder;
  make_volume(folder / "v.nii.gz");
  const fs::path input = folder / "v.nii.gz", output = folder / "out.nii.gz";
  check_refused(run("clade_sr", application(input, output, output)), 2, {"two volumes", "out.nii.gz"});
  check_refused(run("clade_sr", application(input, output, folder / "sd.png")), 2, {"--uncertainty", "sd.png"});
  check_refused(run("clade_sr", application(input, output, folder / "missing" / "sd.nii")), 5, {"missing"});
  check_refused(run("clade_sr", {"-m", "model", "-i", input.string(), "-o", output.string(), "--patches",
                                 "--uncertainty", (folder / "sd.nii").string()}),
                2, {"--uncertainty", "--patches"});
  CHECK(folder.count() == 1);
}
