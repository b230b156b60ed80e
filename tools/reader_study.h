// SPDX-License-Identifier: Apache-2.0
// Reader studies: which method hides behind which letter, and what the answers of readers say about methods.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tools/eval_table.h"

namespace clade {

/// The order of cases and pictures. Case 1 shows subject cases[0].subject; its picture A is of method
/// cases[0].methods[0].
struct ReaderKey {
  struct Case {
    std::size_t subject = 0;
    std::vector<std::size_t> methods;
  };
  std::string study;  ///< identifies page, answers and key as of one study
  std::vector<std::string> methods, subjects;
  std::vector<Case> cases;
};

/// Subjects in random order, and methods for each of them: a function of the seed and the names.
ReaderKey draw_reader_key(const std::vector<std::string>& methods, const std::vector<std::string>& subjects,
                          std::uint64_t seed);

nlohmann::ordered_json to_json(const ReaderKey& key, std::uint64_t seed);
/// Throws Error(input) for anything but a key.
ReaderKey parse_reader_key(const std::string& text);

/// "A", "B", ..., "Z", "AA", ...
std::string picture_code(std::size_t position);

/// Ranks of one reader as their file (study, reader, case, picture, rank) gives them.
struct ReaderAnswers {
  std::string reader;
  std::vector<std::vector<double>> ranks;  ///< [subject][method], ties shared: 1, 2, 2 becomes 1, 2.5, 2.5
};

/// Joins the answers of one reader with the key. Throws Error(input) for another study, unknown cases, pictures or
/// ranks, double answers, and missing ones.
ReaderAnswers unblind(const TextTable& answers, const ReaderKey& key);

/// The table that `compare --table` takes: a line for each subject, its ranks averaged over readers.
/// Throws Error(input) when a reader comes twice.
TextTable rank_table(const std::vector<ReaderAnswers>& readers, const ReaderKey& key);

}  // namespace clade
