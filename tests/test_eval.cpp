// SPDX-License-Identifier: Apache-2.0
// Tables, comparisons, and clade_eval as a user runs it.
#include <cmath>
#include <sstream>

#include <nlohmann/json.hpp>

#include "tests/support/catch.h"
#include "tests/support/errors.h"
#include "tests/support/study.h"
#include "tools/eval_comparison.h"
#include "tools/eval_table.h"

using namespace clade;
using clade::test::contains;
using clade::test::error_of;
using test::make_subject;
using test::Outcome;
using test::run;
using test::TempDir;

namespace {

namespace fs = std::filesystem;

void check_refused(const Outcome& outcome, int code, const std::string& word) {
  INFO(outcome.messages);
  CHECK(outcome.code == code);
  CHECK(contains(outcome.messages, word));
}

double value_of(const nlohmann::json& json, std::size_t volume, const char* metric) {
  const auto& value = json.at("volumes").at(volume).at("scores").at(metric);
  INFO(metric);
  REQUIRE(value.is_number());
  return value.get<double>();
}

}  // namespace

TEST_CASE("tables print aligned and survive a trip through CSV", "[eval]") {
  const TextTable table{{"name", "a,b", "c"}, {"x", "say \"hi\"", ""}, {"longer", "two\nlines", "3"}};
  CHECK(parse_csv(to_csv(table)) == table);
  CHECK(parse_csv("a,b\r\n\r\n1,2") == TextTable{{"a", "b"}, {"1", "2"}});
  CHECK(parse_csv("").empty());
  CHECK(contains(error_of(ErrorCode::input, [] { parse_csv("a,b\n1\n"); }), "line 2"));
  error_of(ErrorCode::input, [] { parse_csv("a,\"b\n1,2\n"); });
  std::ostringstream out;
  print_table(out, {{"m", "x"}, {"long", "10"}});
  CHECK(out.str() == "m      x\nlong  10\n");
  CHECK(fixed({}, 2) == "-");
  CHECK(fixed(1.005, 1) == "1.0");
  CHECK(exact(0.1) == "0.1");
}

TEST_CASE("sheets refuse what is not a number", "[eval]") {
  const ScoreSheet sheet = parse_sheet({{"s", "a", "b"}, {"1", "2", "3.5"}}, "m");
  CHECK(sheet.values[0][1][0] == 3.5);
  for (const TextTable& table : {TextTable{},
                                 {{"s", "a", "b"}},
                                 {{"s", "a"}, {"1", "2"}},
                                 {{"s", "a", "b"}, {"1", "2", ""}},
                                 {{"s", "a", "b"}, {"1", "2", "3x"}},
                                 {{"s", "a", "b"}, {"1", "2", "nan"}}})
    error_of(ErrorCode::input, [&] { parse_sheet(table, "m"); });
  error_of(ErrorCode::usage, [] { parse_post_hoc("t-test"); });
}

TEST_CASE("comparisons leave out subjects that a method has no value for", "[eval]") {
  ScoreSheet sheet;
  sheet.methods = {"a", "b"};
  sheet.subjects = {"1", "2", "3", "4"};
  sheet.metrics = {{"m", "mm", Better::lower, 1}};
  sheet.values = {{{1.0, 2.0, std::nullopt, 3.5}, {11.0, 12.1, 13.0, 13.2}}};
  const MetricComparison comparison = compare(sheet).front();
  CHECK(comparison.subjects == 3);
  CHECK(comparison.summaries[0].mean == Approx(6.5 / 3));
  CHECK(comparison.summaries[1].mean == Approx(36.3 / 3));
  const auto anova = repeated_measures_anova({{1.0, 2.0, 3.5}, {11.0, 12.1, 13.2}});
  REQUIRE(comparison.tests.has_value());
  CHECK(comparison.tests->anova.f == anova.f);
  const TextTable table = mean_table(sheet, {comparison}, PostHoc::tukey_paired, 0);
  CHECK(table[1] == std::vector<std::string>{"m [mm]", "2.2 +- 1.3    ", "12.1 +- 1.1 ***", "lower", "3"});
  // Only one subject is left: nothing to test.
  sheet.values[0][1] = {11.0, std::nullopt, 13.0, std::nullopt};
  CHECK_FALSE(compare(sheet).front().tests.has_value());
  CHECK(mean_table(sheet, compare(sheet), PostHoc::tukey, 0)[1][1] == "1.0    ");
}

TEST_CASE("clade_eval score tells the truth from a checkerboard", "[cli][eval]") {
  const TempDir folder;
  make_subject(folder, 1);
  const auto path = [&](const char* name) { return (folder / name).string(); };
  const std::vector<std::string> arguments{"score",
                                           "-i",
                                           path("truth/s1.nii.gz"),
                                           path("bad"),
                                           "-a",
                                           path("thick/s1.nii.gz"),
                                           "-r",
                                           path("truth/s1.nii.gz"),
                                           "--thickness",
                                           "3",
                                           "--stride",
                                           "8",
                                           "--signal-box",
                                           "20:28,22:30,24:32",
                                           "--air-box",
                                           "0:48,0:4,0:8",
                                           "--edge-profile=17,38.5,35,27,38.5,35",
                                           "--json",
                                           path("s.json"),
                                           "--csv",
                                           path("s.csv"),
                                           "--fidelity-maps",
                                           path("maps")};
  const Outcome outcome = run("clade_eval", arguments);
  INFO(outcome.messages);
  // Two volumes called s1 would give one map.
  REQUIRE(outcome.code == 2);
  CHECK(contains(outcome.messages, "s1_fidelity.nii.gz"));
  fs::rename(folder / "bad/s1.nii.gz", folder / "bad/checkered.nii.gz");
  const Outcome scored = run("clade_eval", arguments);
  INFO(scored.messages);
  REQUIRE(scored.code == 0);
  for (const char* word : {"interpolated", "checkered", "piqe_sagittal", "edges_through_plane [1/mm]", "edges_given",
                           "psnr [dB]", "ssim_axial", "gradient_error", "period_8_ratio", "seams_8", "snr"}) {
    INFO(word);
    CHECK(contains(scored.messages, word));
  }
  const nlohmann::json json = nlohmann::json::parse(test::read_bytes(folder / "s.json"));
  REQUIRE(json.at("volumes").size() == 3);
  CHECK(json.at("volumes")[1].at("name") == "s1");
  CHECK(json.at("volumes")[1].at("scores").at("psnr").is_null());  // equal volumes
  CHECK(value_of(json, 1, "ssim_axial") == Approx(1.0));
  CHECK(value_of(json, 2, "ssim_axial") < 0.95);
  CHECK(value_of(json, 1, "gradient_error") == 0.0);
  CHECK(value_of(json, 2, "period_2_excess") > 20.0 * (value_of(json, 1, "period_2_excess") + 1.0));
  // The truth differs from the acquisition by its noise alone: 2 of a range of about 255 to 260.
  CHECK(value_of(json, 1, "fidelity_rmse") == Approx(100.0 * 2.0 / 262.0).epsilon(0.1));
  CHECK(value_of(json, 0, "edges_through_plane") < 0.8 * value_of(json, 1, "edges_through_plane"));
  CHECK(json.at("volumes")[0].at("details").at("piqe_axial").contains("slices_left_out_as_empty"));

  const TextTable csv = parse_csv(test::read_bytes(folder / "s.csv"));
  REQUIRE(csv.size() == 4);
  CHECK(csv[0][1] == "piqe_sagittal");
  CHECK(csv[3][0] == "checkered");
  const Volume map = read_nifti(folder / "maps/checkered_fidelity.nii.gz");
  CHECK(map.geometry.size == read_nifti(folder / "thick/s1.nii.gz").geometry.size);

  // Nothing is replaced unasked.
  check_refused(run("clade_eval", {"score", "-i", path("truth"), "--json", path("s.json")}), 5, "--force");
  CHECK(run("clade_eval", {"score", "-i", path("truth"), "--json", path("s.json"), "--force"}).code == 0);
}

TEST_CASE("clade_eval score refuses what does not fit together", "[cli][eval]") {
  const TempDir folder;
  make_subject(folder, 1);
  const auto path = [&](const char* name) { return (folder / name).string(); };
  const std::string truth = path("truth/s1.nii.gz"), thick = path("thick/s1.nii.gz");
  write_nifti(path("other.nii.gz"), test::random_volume(test::make_geometry({48, 52, 50}, {1, 1, 1})));
  check_refused(run("clade_eval", {"score", "-i", truth, path("other.nii.gz")}), 3, "other.nii.gz");
  check_refused(run("clade_eval", {"score", "-i", thick, "-a", truth}), 3, "acquisition");
  check_refused(run("clade_eval", {"score", "-i", truth, "-r", thick}), 3, "reference");
  check_refused(run("clade_eval", {"score", "-i", path("nothing.nii.gz")}), 3, "nothing.nii.gz");
  check_refused(run("clade_eval", {"score", "-i", truth, "--mask", truth}), 2, "--reference");
  check_refused(run("clade_eval", {"score", "-i", truth, "--signal-box", "0:1,0:1,0:1"}), 2, "--air-box");
  check_refused(run("clade_eval", {"score", "-i", truth, "--signal-box", "0:1,0:1,0:1", "--air-box", "0:99,0:1,0:1"}),
                2, "99");
  check_refused(run("clade_eval", {"score", "-i", truth, "--edge-profile", "1,2,3"}), 2, "1,2,3");
  check_refused(run("clade_eval", {"score", "-i", truth, "--edge-profile", "0,0,0,900,0,0"}), 2, "leaves the volume");
  check_refused(run("clade_eval", {"score", "-i", truth, "--intensity", "window:3"}), 2, "window:3");
  check_refused(run("clade_eval", {"score", "-i", truth, "--fidelity-maps", path("maps")}), 2, "--acquisition");
  check_refused(run("clade_eval", {"degrade", "-i", truth, "-o", path("o.nii"), "--spacing", "4", "--gap", "4"}), 2,
                "--gap");
  CHECK(fs::exists(folder / "maps") == false);
}

TEST_CASE("clade_eval compare scores methods on subjects and tests them", "[cli][eval]") {
  const TempDir folder;
  for (int seed : {1, 2, 3}) make_subject(folder, seed);
  const auto path = [&](const char* name) { return (folder / name).string(); };
  const Outcome outcome = run("clade_eval", {"compare", "-m", "good=" + path("good"), "-m", "bad=" + path("bad"), "-a",
                                             path("thick"), "-r", path("truth"), "--stride", "8", "--against", "good",
                                             "--pairs", "--json", path("c.json"), "--csv", path("c.csv")});
  INFO(outcome.messages);
  REQUIRE(outcome.code == 0);
  for (const char* word : {"+-", "***", "differs from good", "ANOVA", "Friedman", "psnr: bad - good"}) {
    INFO(word);
    CHECK(contains(outcome.messages, word));
  }
  const nlohmann::json json = nlohmann::json::parse(test::read_bytes(folder / "c.json"));
  CHECK(json.at("methods") == nlohmann::json{"interpolated", "good", "bad"});
  CHECK(json.at("subjects") == nlohmann::json{"s1", "s2", "s3"});
  for (const auto& metric : json.at("metrics")) {
    if (metric.at("name") != "psnr") continue;
    // Noise of 1.2, 1.4, 1.6 against an amplitude of 20 to 23: some 23 dB.
    CHECK(metric.at("methods")[1].at("mean").get<double>() - metric.at("methods")[2].at("mean").get<double>() ==
          Approx(23.0).margin(2.0));
    CHECK(metric.at("tukey_paired")[2].at("p").get<double>() < 0.001);
    // The numbers of the file are those of the library.
    ScoreTable scores;
    for (const auto& method : metric.at("methods")) scores.push_back(method.at("values").get<std::vector<double>>());
    CHECK(metric.at("anova").at("f").get<double>() == Approx(repeated_measures_anova(scores).f));
  }
  CHECK(parse_csv(test::read_bytes(folder / "c.csv")).size() == 1 + 3 * 3);

  check_refused(run("clade_eval", {"compare", "-m", "good=" + path("good"), "-m", "bad=" + path("bad/s1.nii.gz")}), 2,
                "bad");
  check_refused(run("clade_eval", {"compare", "-m", path("good")}), 2, "NAME=PATH");
  check_refused(run("clade_eval", {"compare", "-m", "good=" + path("good"), "-a", path("thick/s1.nii.gz")}), 2,
                "3 subjects");
  check_refused(run("clade_eval", {"compare"}), 2, "--method");
  test::write_bytes(folder / "bad/s2.nii.gz", "broken");
  check_refused(run("clade_eval", {"compare", "-m", "good=" + path("good"), "-m", "bad=" + path("bad")}), 3,
                "s2.nii.gz");
}

TEST_CASE("clade_eval compare tests scores from elsewhere", "[cli][eval]") {
  const TempDir folder;
  const auto path = [&](const char* name) { return (folder / name).string(); };
  test::write_bytes(folder / "ranks.csv",
                    "case,A,B,C\n1,1,2,3\n2,1,3,2\n3,2,1,3\n4,1,2,3\n5,1,2,3\n6,1.5,1.5,3\n7,1,2,3\n"
                    "8,1,3,2\n9,2,1,3\n10,1,2.5,2.5\n");
  const Outcome outcome =
      run("clade_eval", {"compare", "--table", path("ranks.csv"), "--test", "nemenyi", "--json", path("r.json")});
  INFO(outcome.messages);
  REQUIRE(outcome.code == 0);
  const nlohmann::json metric = nlohmann::json::parse(test::read_bytes(folder / "r.json")).at("metrics")[0];
  CHECK(metric.at("name") == "ranks");
  ScoreTable scores;
  for (const auto& method : metric.at("methods")) scores.push_back(method.at("values").get<std::vector<double>>());
  CHECK(metric.at("friedman").at("p").get<double>() == Approx(friedman_test(scores).p));
  CHECK(metric.at("nemenyi")[1].at("p").get<double>() == Approx(nemenyi_test(scores)[1].p));
  check_refused(run("clade_eval", {"compare", "--table", path("ranks.csv"), "--against", "D"}), 2, "'D'");
  check_refused(run("clade_eval", {"compare", "--table", path("ranks.csv"), "-a", path("ranks.csv")}), 2, "--table");
  check_refused(run("clade_eval", {"compare", "--table", path("none.csv")}), 3, "none.csv");
  test::write_bytes(folder / "bad.csv", "case,A,B\n1,1,x\n");
  check_refused(run("clade_eval", {"compare", "--table", path("bad.csv")}), 3, "'x'");
}
