// SPDX-License-Identifier: Apache-2.0
// Options of the benchmarks beside those of Google Benchmark.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "core/device.h"

namespace clade::bench {

/// The value of `key`, "--name=", taken out of the arguments.
inline std::optional<std::string> take_option(int& argc, char** argv, std::string_view key) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (!argument.starts_with(key)) continue;
    std::string value(argument.substr(key.size()));
    std::copy(argv + i + 1, argv + argc, argv + i);
    --argc;
    return value;
  }
  return std::nullopt;
}

/// The value of --device=, the CPU by default. Throws Error(usage) for another word.
inline Device take_device(int& argc, char** argv) {
  const std::string word = take_option(argc, argv, "--device=").value_or("cpu");
  CLADE_CHECK(word == "cpu" || word == "cuda", ErrorCode::usage, "device '", word, "' is not cpu or cuda");
  return {word == "cuda" ? DeviceType::cuda : DeviceType::cpu, 0};
}

}  // namespace clade::bench
