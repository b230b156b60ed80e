// SPDX-License-Identifier: Apache-2.0
// The page of clade_eval report: complete, upright, self-contained, and safe from names.
#include <cmath>

#include "tests/support/errors.h"
#include "tests/support/page.h"
#include "tests/support/study.h"
#include "tools/colour_maps.h"
#include "tools/eval_comparison.h"
#include "tools/html.h"
#include "tools/report_pictures.h"
#include "tools/report_plots.h"

using namespace clade;
using clade::test::contains;
using clade::test::decode_uri;
using clade::test::error_of;
using clade::test::is_slice_of;
using test::make_subject;
using test::Outcome;
using test::run;
using test::TempDir;

namespace {

void check_refused(const Outcome& outcome, int code, const std::string& word) {
  INFO(outcome.messages);
  CHECK(outcome.code == code);
  CHECK(contains(outcome.messages, word));
}

void check_self_contained(const std::string& html) {
  for (const char* word : {"http:", "https:", "//www", "<link", "@import", "url(", "<iframe", "fetch("}) {
    INFO(word);
    CHECK_FALSE(contains(html, word));
  }
  CHECK(contains(html, "default-src 'none'"));
}

}  // namespace

TEST_CASE("pages take names for text", "[report]") {
  CHECK(escape_html("a<b>&\"c\"'") == "a&lt;b&gt;&amp;&quot;c&quot;&#39;");
  CHECK(contains(html_table({{"m"}, {"<i>"}}), "&lt;i&gt;"));
  Page page;
  page.title = "</title>";
  page.data = {{"name", "</script><b>\xff"}};
  const std::string html = html_document(page);
  CHECK(contains(html, "&lt;/title&gt;"));
  CHECK_FALSE(contains(html, "</script><b>"));
  // What is not UTF-8 does not stop the page.
  CHECK(test::page_data(html).at("name") == "</script><b>\xEF\xBF\xBD");
  CHECK_FALSE(contains(box_plot("t", {{"<u>", "", {1.0}}}), "<u>"));
}

TEST_CASE("pictures in pages come back pixel by pixel", "[report]") {
  for (int width : {1, 2, 3, 31}) {
    GreyImage image{width, 5, {}};
    for (int i = 0; i < 5 * width; ++i) image.pixels.push_back(static_cast<std::uint8_t>(37 * i));
    CHECK(decode_uri(png_uri(image), PNG_FORMAT_GRAY).pixels == image.pixels);
  }
  const GreyImage ends{3, 1, {0, 128, 255}};
  const std::vector<std::uint8_t> colours = decode_uri(png_uri(ends, &difference_palette()), PNG_FORMAT_RGB).pixels;
  CHECK(colours[2] > colours[0]);                         // less: blue
  for (std::size_t c : {3, 4, 5}) CHECK(colours[c] < 4);  // none: black
  CHECK(colours[6] > colours[8]);                         // more: orange
}

TEST_CASE("axes have round numbers, curves few points", "[report]") {
  CHECK(axis_ticks(0.1, 1.05, 4) == std::vector<double>{0.5, 1.0});
  CHECK(axis_ticks(-32.0, 31.0, 4) == std::vector<double>{-20.0, 0.0, 20.0});
  Curve curve{"c", 0, false, {}, {}};
  for (int i = 0; i < 10; ++i) {
    curve.x.push_back(i);
    curve.y.push_back(i == 9 ? std::nan("") : 2.0 * i);
  }
  const Curve few = smoothed(curve, 3);
  REQUIRE(few.x.size() == 3);
  CHECK(few.x[0] == Approx(1.5));
  CHECK(few.y[0] == Approx(3.0));
  CHECK(few.y[2] == Approx(16.0));  // 8, and 9 has no value
}

TEST_CASE("as many slices are drawn as the page has room for", "[report]") {
  const Geometry grid = test::make_geometry({100, 100, 50}, {1, 1, 2});  // three planes of 100 x 100 pixels of 1 mm
  CHECK(slices_that_fit(grid, 4, 30000 * 4 * 1.4) == 1);
  CHECK(slices_that_fit(grid, 4, 30000 * 4 * 0.5) == 0);
  CHECK(slices_that_fit(grid, 4, 1e12) == 5);
  CHECK(scale_that_fits(grid, 4, 1e12) == 1.0);

  // Not even noise takes more than was foreseen, at any scale.
  const Volume noise = test::random_volume(test::make_geometry({100, 100, 100}, {1, 1, 1}), 0.0, 255.0);
  for (const double bytes : {30000 * 1.4 * 3, 30000 * 1.4, 30000 * 1.4 / 4}) {
    INFO(bytes);
    const int slices = std::max(1, slices_that_fit(noise.geometry, 1, bytes));
    const double scale = scale_that_fits(noise.geometry, 1, bytes);
    SubjectPictures pictures(noise, 2, IntensityRule::parse("minmax"), slices, scale);
    pictures.add_picture("noise", noise);
    const nlohmann::ordered_json plane = pictures.json().at("planes").at(0);
    CHECK(plane.at("width") == std::lround(100 * scale));
    CHECK(plane.at("slices").size() == static_cast<std::size_t>(slices));
    CHECK(static_cast<double>(pictures.bytes()) < bytes);
    CHECK(static_cast<double>(pictures.bytes()) > 0.3 * bytes);
  }
}

TEST_CASE("scores come back from the file of compare", "[report]") {
  ScoreSheet sheet;
  sheet.methods = {"a", "b"};
  sheet.subjects = {"1", "2", "3"};
  sheet.metrics = {{"m", "mm", Better::lower, 1}, {"n", "", Better::neither, 3}};
  sheet.values = {{{1.0, 2.0, std::nullopt}, {11.0, 12.1, 13.0}}, {{1.0, 2.0, 3.0}, {1.0, 2.0, 1.0 / 3.0}}};
  const std::string text = to_json(sheet, compare(sheet)).dump();
  const ScoreSheet again = sheet_from_json(text);
  CHECK(again.methods == sheet.methods);
  CHECK(again.subjects == sheet.subjects);
  CHECK(again.values == sheet.values);
  CHECK(again.metrics[0].title() == "m [mm]");
  CHECK(again.metrics[0].better == Better::lower);
  CHECK(again.metrics[1].decimals == 3);
  nlohmann::json broken = nlohmann::json::parse(text);
  broken["subjects"].push_back("4");
  for (const std::string& bad : {broken.dump(), std::string("[]"), std::string("{"), std::string("{\"methods\": 3}")})
    error_of(ErrorCode::input, [&] { sheet_from_json(bad); });
}

TEST_CASE("clade_eval report shows every method of every subject", "[cli][eval]") {
  const TempDir folder;
  // Names that would end elements if they were not escaped.
  make_subject(folder, 1, "a<b>&'\"c");
  make_subject(folder, 2, "s2<!--x");
  const auto path = [&](const char* name) { return (folder / name).string(); };
  std::filesystem::create_directories(folder / "run");
  test::write_bytes(folder / "run/config.json", R"({"seed": 7, "inputs": ["<u>x"], "train": {"rate": 0.5}})");
  std::string log;
  for (int step = 1; step <= 400; ++step)
    log += str("{\"step\": ", step, ", \"generator\": ", 4.0 / step, ", \"cycle_x\": null}\n");
  test::write_bytes(folder / "run/log.jsonl", log + "{\"step\": 401, \"gen");
  const std::vector<std::string> arguments{"report",
                                           "-m",
                                           "<b>good=" + path("good"),
                                           "-m",
                                           "bad=" + path("bad"),
                                           "-a",
                                           path("thick"),
                                           "-r",
                                           path("truth"),
                                           "--display",
                                           "window:0,300",
                                           "--stride",
                                           "8",
                                           "--run",
                                           "bad=" + path("run"),
                                           "--uncertainty",
                                           "bad=" + path("good"),
                                           "-o",
                                           path("page.html")};
  const Outcome outcome = run("clade_eval", arguments);
  INFO(outcome.messages);
  REQUIRE(outcome.code == 0);
  const std::string html = test::read_bytes(folder / "page.html");
  check_self_contained(html);
  for (const char* word : {"&lt;b&gt;good", "psnr [dB]", "\u00b1", "a&lt;b&gt;&amp;", "s2&lt;!--x", "train.rate",
                           "&lt;u&gt;x", "research use only", "--display window:0,300", "<path class=\"curve"}) {
    INFO(word);
    CHECK(contains(html, word));
  }
  for (const char* word : {"<b>good", "a<b>", "s2<!--x", "<u>x"}) {
    INFO(word);
    CHECK_FALSE(contains(html, word));
  }

  const nlohmann::json data = test::page_data(html);
  REQUIRE(data.at("subjects").size() == 2);
  for (std::size_t subject = 0; subject < 2; ++subject) {
    const nlohmann::json& s = data["subjects"][subject];
    CHECK(s.at("window") == nlohmann::json{0.0, 300.0});
    CHECK(s.at("name") == (subject == 0 ? "a<b>&'\"c" : "s2<!--x"));
    REQUIRE(s.at("planes").size() == 3);
    CHECK(s["planes"][2].at("name") == "axial");
    CHECK(s["planes"][2].at("kind") == "as acquired");
    std::vector<std::string> shown;
    for (const auto& view : s.at("picture")) shown.push_back(view.at("name"));
    CHECK(shown == std::vector<std::string>{"interpolated", "<b>good", "bad", "reference"});
    CHECK(s.at("difference").size() == 3);
    REQUIRE(s.at("uncertainty").size() == 1);
    CHECK(s["uncertainty"][0].at("name") == "bad");
    const Volume truth = test::phantom(static_cast<int>(subject) + 1);
    for (std::size_t plane = 0; plane < 3; ++plane) {
      const auto& images = s["picture"][3].at("images").at(plane);
      REQUIRE(images.size() == s["planes"][plane].at("slices").size());
      REQUIRE(images.size() > 1);
      for (const auto& uri : images)
        CHECK(is_slice_of(decode_uri(uri, PNG_FORMAT_GRAY), truth,
                          parse_plane(s["planes"][plane]["name"].get<std::string>()), 0.0, 300.0));
      for (const char* kind : {"difference", "uncertainty"})
        for (const auto& uri : s[kind][0].at("images").at(plane))
          CHECK(decode_uri(uri, PNG_FORMAT_RGB).height == s["planes"][plane]["height"].get<int>() / 2);
    }
  }

  // Nothing is replaced unasked.
  check_refused(run("clade_eval", arguments), 5, "--force");
  std::vector<std::string> unknown = arguments;
  unknown.back() = path("other.html");
  *std::ranges::find(unknown, "bad=" + path("run")) = "none=" + path("run");
  check_refused(run("clade_eval", unknown), 2, "'none'");
  CHECK_FALSE(std::filesystem::exists(folder / "other.html"));
}

TEST_CASE("clade_eval report takes the scores of compare and refuses what does not fit", "[cli][eval]") {
  const TempDir folder;
  const auto path = [&](const char* name) { return (folder / name).string(); };
  test::write_bytes(folder / "t.csv", "case,A,B\n1,1,2\n2,1.5,3\n3,1.25,2\n4,1,9\n5,1.25,2.5\n");
  REQUIRE(run("clade_eval", {"compare", "--table", path("t.csv"), "--json", path("t.json")}).code == 0);
  const Outcome outcome = run("clade_eval", {"report", "--scores", path("t.json"), "-o", path("t.html")});
  INFO(outcome.messages);
  REQUIRE(outcome.code == 0);
  const std::string html = test::read_bytes(folder / "t.html");
  check_self_contained(html);
  CHECK(contains(html, "1.200 \u00b1 0.209"));
  CHECK(contains(html, "<rect class=\"box\""));
  CHECK(test::page_data(html).at("subjects").empty());

  const std::string output = path("x.html");
  check_refused(run("clade_eval", {"report", "-o", output}), 2, "--method");
  check_refused(run("clade_eval", {"report", "--scores", path("t.csv"), "-o", output}), 3, "t.csv");
  check_refused(run("clade_eval", {"report", "--scores", path("none.json"), "-o", output}), 3, "none.json");
  check_refused(run("clade_eval", {"report", "--scores", path("t.json"), "-o", path("none/x.html")}), 5, "none");
  check_refused(run("clade_eval", {"report", "--scores", path("t.json"), "-o", output, "--against", "C"}), 2, "'C'");
  check_refused(run("clade_eval", {"report", "--scores", path("t.json"), "-o", output, "--run", "A"}), 2, "RUN_DIR");
  check_refused(run("clade_eval", {"report", "--scores", path("t.json"), "-o", output, "--run", "A=" + path("no")}), 3,
                "config.json");
  std::filesystem::create_directories(folder / "run");
  test::write_bytes(folder / "run/config.json", "{}");
  test::write_bytes(folder / "run/log.jsonl", "{\"step\": 1}\nbroken\n");
  check_refused(run("clade_eval", {"report", "--scores", path("t.json"), "-o", output, "--run", "A=" + path("run")}), 3,
                "line 2");
  write_nifti(folder / "v.nii", test::random_volume(test::make_geometry({20, 20, 20}, {1, 1, 1})));
  check_refused(run("clade_eval", {"report", "--scores", path("t.json"), "-m", "C=" + path("v.nii"), "-o", output}), 2,
                "'C'");
  check_refused(run("clade_eval", {"report", "-m", "C=" + path("v.nii"), "--display", "window:1", "-o", output}), 2,
                "window:1");
  CHECK_FALSE(std::filesystem::exists(output));
}
