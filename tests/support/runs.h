// SPDX-License-Identifier: Apache-2.0
// Small trainings for the tests of the programs, and what their outcomes are checked for.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "io/nifti.h"
#include "tests/support/catch.h"
#include "tests/support/program.h"
#include "tests/support/volumes.h"

namespace clade::test {

// An anisotropic volume that a tiny network can be trained on.
inline void make_volume(const std::filesystem::path& path, std::array<int, 3> size = {36, 40, 9},
                        std::array<double, 3> spacing = {1, 1, 4.5}) {
  write_nifti(path, random_volume(make_geometry(size, spacing)), VoxelType::int16);
}

inline std::vector<std::string> tiny_training(const std::filesystem::path& input, const std::filesystem::path& output,
                                              std::int64_t steps) {
  return {"-i", input.string(),        "-o", output.string(), "--base-channels",     "4", "--residual-blocks",
          "1",  "--patches-per-slice", "1",  "--steps",       std::to_string(steps), "-q"};
}

inline std::vector<std::string> with(std::vector<std::string> arguments, const std::vector<std::string>& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

// The code and words of the message.
inline void check_refused(const Outcome& outcome, int code, const std::vector<std::string>& words) {
  INFO(outcome.messages);
  CHECK(outcome.code == code);
  for (const std::string& word : words) {
    INFO("looking for: " << word);
    CHECK(outcome.messages.find(word) != std::string::npos);
  }
}

inline std::map<std::string, std::string> contents(const std::filesystem::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().filename() != ".lock") files[entry.path().filename().string()] = read_bytes(entry.path());
  return files;
}

inline void check_same_run(const std::filesystem::path& a, const std::filesystem::path& b) {
  const auto first = contents(a), second = contents(b);
  for (const char* name : {"log.jsonl", "latest.safetensors", "state.safetensors", "epoch_0001.safetensors"}) {
    INFO(name);
    REQUIRE(first.contains(name));
    REQUIRE(second.contains(name));
    const bool same = first.at(name) == second.at(name);
    CHECK(same);
  }
}

}  // namespace clade::test
