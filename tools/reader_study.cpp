// SPDX-License-Identifier: Apache-2.0
#include "tools/reader_study.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <numeric>
#include <optional>
#include <set>

#include "core/error.h"
#include "core/philox.h"
#include "tools/json_integer.h"

namespace clade {

namespace {

const std::vector<std::string> kColumns{"study", "reader", "case", "picture", "rank"};

// Fisher and Yates' shuffle of 0, 1, ..., count - 1.
std::vector<std::size_t> shuffled(std::size_t count, RandomSequence& random) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t i = count; i > 1; --i)
    std::swap(order[i - 1], order[random.next_below(static_cast<std::uint32_t>(i))]);
  return order;
}

// Fowler, Noll and Vo's hash (FNV-1a) of all names: studies with the same seed are still different ones.
std::uint64_t hash_of(const ReaderKey& key) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const auto* names : {&key.methods, &key.subjects})
    for (const std::string& name : *names)
      for (char c : name + '\n') hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

bool is_order(std::vector<std::size_t> order, std::size_t count) {
  std::sort(order.begin(), order.end());
  std::vector<std::size_t> all(count);
  std::iota(all.begin(), all.end(), std::size_t{0});
  return order == all;
}

// 1-based number of a case or a rank.
std::size_t parse_number(const std::string& text, std::size_t most, const char* what) {
  std::size_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  CLADE_CHECK(error == std::errc{} && stop == text.data() + text.size() && number >= 1 && number <= most,
              ErrorCode::input, what, " '", text, "', expected 1 to ", most);
  return number;
}

// Ties share the mean of the ranks they take up.
std::vector<double> shared_ranks(const std::vector<std::size_t>& ranks) {
  std::vector<double> shared;
  for (std::size_t rank : ranks) {
    const auto better = std::count_if(ranks.begin(), ranks.end(), [&](std::size_t other) { return other < rank; });
    const auto equal = std::count(ranks.begin(), ranks.end(), rank);
    shared.push_back(static_cast<double>(better) + 0.5 * static_cast<double>(equal + 1));
  }
  return shared;
}

}  // namespace

ReaderKey draw_reader_key(const std::vector<std::string>& methods, const std::vector<std::string>& subjects,
                          std::uint64_t seed) {
  ReaderKey key;
  key.methods = methods;
  key.subjects = subjects;
  RandomSequence random(seed, RandomUse::order, hash_of(key));
  char study[17];
  std::snprintf(study, sizeof study, "%08x%08x", random.next_u32(), random.next_u32());
  key.study = study;
  for (std::size_t subject : shuffled(subjects.size(), random))
    key.cases.push_back({subject, shuffled(methods.size(), random)});
  return key;
}

nlohmann::ordered_json to_json(const ReaderKey& key, std::uint64_t seed) {
  nlohmann::ordered_json cases = nlohmann::ordered_json::array();
  for (const ReaderKey::Case& c : key.cases) {
    nlohmann::ordered_json pictures;
    for (std::size_t i = 0; i < c.methods.size(); ++i) pictures[picture_code(i)] = key.methods[c.methods[i]];
    cases.push_back({{"subject", key.subjects[c.subject]},
                     {"pictures", pictures},
                     {"subject_index", c.subject},
                     {"method_indices", c.methods}});
  }
  return {{"study", key.study}, {"seed", seed}, {"methods", key.methods}, {"subjects", key.subjects}, {"cases", cases}};
}

ReaderKey parse_reader_key(const std::string& text) {
  ReaderKey key;
  try {
    const nlohmann::json json = nlohmann::json::parse(text);
    key.study = json.at("study").get<std::string>();
    key.methods = json.at("methods").get<std::vector<std::string>>();
    key.subjects = json.at("subjects").get<std::vector<std::string>>();
    std::vector<std::size_t> subjects;
    for (const auto& entry : json.at("cases")) {
      key.cases.push_back({integer_at<std::size_t>(entry, "subject_index"), {}});
      for (const auto& method : entry.at("method_indices"))
        key.cases.back().methods.push_back(integer<std::size_t>(method, "method_indices"));
      subjects.push_back(key.cases.back().subject);
      CLADE_CHECK(is_order(key.cases.back().methods, key.methods.size()), ErrorCode::input, "case ", key.cases.size(),
                  " does not have every method once");
    }
    CLADE_CHECK(is_order(subjects, key.subjects.size()), ErrorCode::input, "not every subject has one case");
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorCode::input, "not a key of clade_eval reader: ", error.what());
  }
  return key;
}

std::string picture_code(std::size_t position) {
  std::string code(1, static_cast<char>('A' + position % 26));
  return position < 26 ? code : picture_code(position / 26 - 1) + code;
}

ReaderAnswers unblind(const TextTable& answers, const ReaderKey& key) {
  CLADE_CHECK(!answers.empty() && answers.front() == kColumns, ErrorCode::input,
              "expected a first line study,reader,case,picture,rank");
  CLADE_CHECK(answers.size() >= 2, ErrorCode::input, "there are no answers");
  const std::size_t methods = key.methods.size();
  std::vector<std::vector<std::optional<std::size_t>>> given(key.cases.size(),
                                                             std::vector<std::optional<std::size_t>>(methods));
  ReaderAnswers result;
  result.reader = answers[1][1];
  CLADE_CHECK(!result.reader.empty(), ErrorCode::input, "the reader has no name");
  for (std::size_t row = 1; row < answers.size(); ++row)
    with_context(str("line ", row + 1), [&] {
      const std::vector<std::string>& line = answers[row];
      CLADE_CHECK(line[0] == key.study, ErrorCode::input, "study '", line[0], "', the key is of '", key.study, "'");
      CLADE_CHECK(line[1] == result.reader, ErrorCode::input, "reader '", line[1], "' besides '", result.reader,
                  "'; give a file for each reader");
      const std::size_t number = parse_number(line[2], key.cases.size(), "case");
      std::size_t picture = 0;
      while (picture < methods && picture_code(picture) != line[3]) ++picture;
      CLADE_CHECK(picture < methods, ErrorCode::input, "there is no picture '", line[3], "'");
      if (line[4].empty()) return;
      std::optional<std::size_t>& rank = given[number - 1][picture];
      CLADE_CHECK(!rank, ErrorCode::input, "case ", number, ", picture ", line[3], " has a rank already");
      rank = parse_number(line[4], methods, "rank");
    });
  result.ranks.assign(key.subjects.size(), std::vector<double>(methods));
  for (std::size_t c = 0; c < key.cases.size(); ++c) {
    std::vector<std::size_t> ranks;
    for (std::size_t picture = 0; picture < methods; ++picture) {
      CLADE_CHECK(given[c][picture], ErrorCode::input, "case ", c + 1, ", picture ", picture_code(picture),
                  " has no rank");
      ranks.push_back(*given[c][picture]);
    }
    const std::vector<double> shared = shared_ranks(ranks);
    for (std::size_t picture = 0; picture < methods; ++picture)
      result.ranks[key.cases[c].subject][key.cases[c].methods[picture]] = shared[picture];
  }
  return result;
}

TextTable rank_table(const std::vector<ReaderAnswers>& readers, const ReaderKey& key) {
  std::set<std::string> names;
  for (const ReaderAnswers& reader : readers)
    CLADE_CHECK(names.insert(reader.reader).second, ErrorCode::input, "reader '", reader.reader, "' comes twice");
  TextTable table{{"subject"}};
  table[0].insert(table[0].end(), key.methods.begin(), key.methods.end());
  for (std::size_t subject = 0; subject < key.subjects.size(); ++subject) {
    table.push_back({key.subjects[subject]});
    for (std::size_t method = 0; method < key.methods.size(); ++method) {
      double sum = 0.0;
      for (const ReaderAnswers& reader : readers) sum += reader.ranks[subject][method];
      table.back().push_back(exact(sum / static_cast<double>(readers.size())));
    }
  }
  return table;
}

}  // namespace clade
