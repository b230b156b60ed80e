// SPDX-License-Identifier: Apache-2.0
// Messages leave the library through a sink that the caller owns; without one the library is silent.
#pragma once

#include <functional>
#include <string_view>

#include "core/error.h"

namespace clade {

enum class LogLevel { error, warning, info, debug };

/// A handle that library functions write messages to. Cheap to copy; a default-constructed one drops everything.
class Log {
 public:
  using Sink = std::function<void(LogLevel, std::string_view)>;

  Log() = default;
  explicit Log(Sink sink) : sink_(std::move(sink)) {}

  template <class... Parts>
  void warning(const Parts&... parts) const {
    write(LogLevel::warning, parts...);
  }
  template <class... Parts>
  void info(const Parts&... parts) const {
    write(LogLevel::info, parts...);
  }
  template <class... Parts>
  void debug(const Parts&... parts) const {
    write(LogLevel::debug, parts...);
  }

 private:
  template <class... Parts>
  void write(LogLevel level, const Parts&... parts) const {
    if (sink_) sink_(level, str(parts...));
  }

  Sink sink_;
};

/// Called with units done and units in all; returning false asks the callee to stop.
using ProgressCallback = std::function<bool(long long done, long long total)>;

}  // namespace clade
