// SPDX-License-Identifier: Apache-2.0
// Reader studies: what readers can see, and that answers find their methods again.
#include <algorithm>
#include <cmath>

#include "tests/support/errors.h"
#include "tests/support/page.h"
#include "tests/support/study.h"
#include "tools/reader_study.h"

using namespace clade;
using clade::test::contains;
using clade::test::error_of;
using test::make_subject;
using test::Outcome;
using test::run;
using test::TempDir;

namespace {

const std::vector<std::string> kMethods{"bad", "fair", "good"};
const std::vector<std::string> kSubjects{"s1", "s2", "s3", "s4"};

// What a reader answers who ranks by `rank(subject, method)`.
template <class Rank>
TextTable answer(const ReaderKey& key, const std::string& reader, const Rank& rank) {
  TextTable table{{"study", "reader", "case", "picture", "rank"}};
  for (std::size_t c = 0; c < key.cases.size(); ++c)
    for (std::size_t i = 0; i < key.methods.size(); ++i)
      table.push_back({key.study, reader, std::to_string(c + 1), picture_code(i),
                       std::to_string(rank(key.cases[c].subject, key.cases[c].methods[i]))});
  return table;
}

// The best method last, but for ties in subject 1.
int by_quality(std::size_t subject, std::size_t method) {
  return subject == 1 && method < 2 ? 2 : 3 - static_cast<int>(method);
}

}  // namespace

TEST_CASE("the order of a reader study is random and repeatable", "[reader]") {
  const ReaderKey key = draw_reader_key(kMethods, kSubjects, 5);
  const ReaderKey again = draw_reader_key(kMethods, kSubjects, 5);
  CHECK(to_json(key, 5) == to_json(again, 5));
  CHECK(to_json(key, 5) != to_json(draw_reader_key(kMethods, kSubjects, 6), 5));
  CHECK(draw_reader_key(kMethods, {"s1", "s2", "s3", "t"}, 5).study != key.study);
  // Each method comes equally often under each letter, each subject as each case.
  int methods[3][3] = {}, subjects[4][4] = {};
  constexpr int kStudies = 3000;
  for (int seed = 0; seed < kStudies; ++seed) {
    const ReaderKey drawn = draw_reader_key(kMethods, kSubjects, static_cast<std::uint64_t>(seed));
    for (std::size_t i = 0; i < 3; ++i) ++methods[i][drawn.cases[0].methods[i]];
    for (std::size_t c = 0; c < 4; ++c) ++subjects[c][drawn.cases[c].subject];
  }
  // Within five standard deviations of binomial counts.
  for (const auto& row : methods)
    for (int count : row) CHECK(std::abs(count - kStudies / 3.0) < 5.0 * std::sqrt(kStudies * 2.0 / 9.0));
  for (const auto& row : subjects)
    for (int count : row) CHECK(std::abs(count - kStudies / 4.0) < 5.0 * std::sqrt(kStudies * 3.0 / 16.0));
  CHECK(picture_code(0) == "A");
  CHECK(picture_code(25) == "Z");
  CHECK(picture_code(26) == "AA");
  CHECK(picture_code(27 * 26) == "AAA");
}

TEST_CASE("answers of readers find their methods again", "[reader]") {
  const ReaderKey key = parse_reader_key(to_json(draw_reader_key(kMethods, kSubjects, 5), 5).dump());
  const ReaderAnswers first = unblind(answer(key, "R1", by_quality), key);
  CHECK(first.reader == "R1");
  CHECK(first.ranks[0] == std::vector<double>{3, 2, 1});
  CHECK(first.ranks[1] == std::vector<double>{2.5, 2.5, 1});
  // A tie for the first place takes up the ranks 1 and 2, whatever the third picture was called.
  const auto tied = [](std::size_t, std::size_t method) { return method == 2 ? 2 : 1; };
  const ReaderAnswers second = unblind(answer(key, "R2", tied), key);
  CHECK(second.ranks[3] == std::vector<double>{1.5, 1.5, 3});
  const TextTable table = rank_table({first, second}, key);
  REQUIRE(table.size() == 5);
  CHECK(table[0] == std::vector<std::string>{"subject", "bad", "fair", "good"});
  CHECK(table[1] == std::vector<std::string>{"s1", "2.25", "1.75", "2.0"});
  CHECK(contains(error_of(ErrorCode::input, [&] { rank_table({first, first}, key); }), "R1"));
}

TEST_CASE("answers that do not fit the key are refused", "[reader]") {
  const ReaderKey key = draw_reader_key(kMethods, kSubjects, 5);
  const TextTable good = answer(key, "R1", by_quality);
  const auto refused = [&](std::size_t row, std::size_t column, const std::string& cell, const char* word) {
    TextTable table = good;
    table[row][column] = cell;
    const std::string message = error_of(ErrorCode::input, [&] { unblind(table, key); });
    INFO(message);
    CHECK(contains(message, word));
  };
  refused(0, 4, "ranks", "first line");
  refused(3, 0, "0123", "study");
  refused(3, 1, "R2", "'R2'");
  refused(3, 2, "5", "case '5'");
  refused(3, 2, "0", "case '0'");
  refused(3, 3, "D", "'D'");
  refused(3, 3, "B", "has a rank already");
  refused(3, 4, "4", "rank '4'");
  refused(3, 4, "1.5", "rank '1.5'");
  refused(3, 4, "", "case 1, picture C has no rank");
  TextTable missing = good;
  missing.erase(missing.begin() + 5);
  CHECK(contains(error_of(ErrorCode::input, [&] { unblind(missing, key); }), "case 2, picture B"));
  error_of(ErrorCode::input, [&] { unblind({good[0]}, key); });
  for (const char* text : {"{", "[]", "{\"study\": 1}"}) error_of(ErrorCode::input, [&] { parse_reader_key(text); });
  nlohmann::ordered_json doubled = to_json(key, 5);
  doubled["cases"][1]["method_indices"] = {0, 0, 1};
  CHECK(contains(error_of(ErrorCode::input, [&] { parse_reader_key(doubled.dump()); }), "case 2"));
}

TEST_CASE("clade_eval reader hides methods and unblinds answers", "[cli][eval]") {
  const TempDir folder;
  make_subject(folder, 1, "subject-anna");
  make_subject(folder, 2, "subject-berta");
  const auto path = [&](const char* name) { return (folder / name).string(); };
  const auto draw = [&](const char* page, const char* key, const char* seed) {
    return run("clade_eval",
               {"reader", "-m", "goodnet=" + path("good"), "-m", "badnet=" + path("bad"), "-a", path("thick"), "-o",
                path(page), "--key", path(key), "--seed", seed, "--question", "Which <is> best?"});
  };
  const Outcome outcome = draw("page.html", "key.json", "918273");
  INFO(outcome.messages);
  REQUIRE(outcome.code == 0);
  const std::string html = test::read_bytes(folder / "page.html");
  for (const char* word :
       {"goodnet", "badnet", "interpolated", "subject-anna", "subject-berta", "918273", "http:", "https:"}) {
    INFO(word);
    CHECK_FALSE(contains(html, word));
  }
  const ReaderKey key = parse_reader_key(test::read_bytes(folder / "key.json"));
  CHECK(key.methods == std::vector<std::string>{"interpolated", "goodnet", "badnet"});
  CHECK(key.subjects == std::vector<std::string>{"subject-anna", "subject-berta"});

  // The letters hide what the key says.
  const nlohmann::json data = test::page_data(html);
  CHECK(data.at("study") == key.study);
  CHECK(data.at("question") == "Which <is> best?");
  REQUIRE(data.at("cases").size() == 2);
  for (std::size_t c = 0; c < 2; ++c) {
    const auto& pictures = data["cases"][c].at("picture");
    REQUIRE(pictures.size() == 3);
    std::vector<std::string> different;
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(pictures[i].at("name") == picture_code(i));
      different.push_back(pictures[i].at("images").dump());
      const std::size_t method = key.cases[c].methods[i];
      if (method == 0) continue;
      const Volume volume =
          read_nifti(folder / str(method == 1 ? "good/" : "bad/", key.subjects[key.cases[c].subject], ".nii.gz"));
      const auto& window = data["cases"][c].at("window");
      for (std::size_t plane = 0; plane < 3; ++plane)
        for (const auto& uri : pictures[i]["images"].at(plane))
          CHECK(test::is_slice_of(test::decode_uri(uri, PNG_FORMAT_GRAY), volume,
                                  parse_plane(data["cases"][c]["planes"][plane]["name"].get<std::string>()), window[0],
                                  window[1]));
    }
    std::sort(different.begin(), different.end());
    CHECK(std::unique(different.begin(), different.end()) == different.end());
  }

  // The same seed gives the same page, another one another order or at least another study.
  REQUIRE(draw("again.html", "again.json", "918273").code == 0);
  CHECK(test::read_bytes(folder / "again.html") == html);
  REQUIRE(draw("other.html", "other.json", "5").code == 0);
  CHECK(parse_reader_key(test::read_bytes(folder / "other.json")).study != key.study);
  CHECK(draw("page.html", "new.json", "1").code == 5);

  const auto prefer_good = [](std::size_t, std::size_t method) { return method == 1 ? 1 : method == 0 ? 2 : 3; };
  test::write_bytes(folder / "r1.csv", to_csv(answer(key, "R1", prefer_good)));
  test::write_bytes(folder / "r2.csv", to_csv(answer(key, "Reader, \"two\"", prefer_good)));
  const Outcome joined = run(
      "clade_eval", {"reader", "--unblind", path("key.json"), path("r1.csv"), path("r2.csv"), "-o", path("ranks.csv")});
  INFO(joined.messages);
  REQUIRE(joined.code == 0);
  CHECK(contains(joined.messages, "1.00"));
  CHECK(test::read_bytes(folder / "ranks.csv") ==
        "subject,interpolated,goodnet,badnet\nsubject-anna,2.0,1.0,3.0\nsubject-berta,2.0,1.0,3.0\n");
  CHECK(run("clade_eval", {"compare", "--table", path("ranks.csv"), "--test", "nemenyi"}).code == 0);

  const auto refused = [&](const std::vector<std::string>& arguments, int code, const char* word) {
    const Outcome bad = run("clade_eval", arguments);
    INFO(bad.messages);
    CHECK(bad.code == code);
    CHECK(contains(bad.messages, word));
  };
  refused({"reader", "--unblind", path("other.json"), path("r1.csv"), "-o", path("x.csv")}, 3, "study");
  refused({"reader", "--unblind", path("r1.csv"), path("r1.csv"), "-o", path("x.csv")}, 3, "not a key");
  refused({"reader", "--unblind", path("key.json"), path("r1.csv"), path("r1.csv"), "-o", path("x.csv")}, 3, "twice");
  refused({"reader", "--unblind", path("key.json"), "-o", path("x.csv")}, 2, "answers");
  refused({"reader", "-m", "a=" + path("good"), "-o", path("x.html")}, 2, "--key");
  refused({"reader", "-m", "a=" + path("good"), "-o", path("x.html"), "--key", path("x.json")}, 2, "ranked");
  refused(
      {"reader", "-m", "a=" + path("good"), "-m", "b=" + path("thick"), "-o", path("x.html"), "--key", path("x.json")},
      3, "thick");
  CHECK_FALSE(std::filesystem::exists(folder / "x.html"));
}
