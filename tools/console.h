// SPDX-License-Identifier: Apache-2.0
// Messages and progress on standard error; standard output stays free for data.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "core/log.h"

namespace clade {

/// One per program. Messages and the progress line take turns on the same terminal.
class Console {
 public:
  /// `program` goes in front of every message; the least important level shown is `level`.
  Console(std::string program, LogLevel level);

  /// A handle for library functions; the console must outlive it.
  Log log();
  void message(LogLevel level, std::string_view text);

  /// Starts a progress display; `done` units were there before.
  void begin_progress(long long done);
  /// On a terminal one line that is rewritten, else a line per 10 %. `text()` is only made when it is shown.
  template <class MakeText>
  void progress(long long done, long long total, MakeText&& text) {
    if (due(done, total)) show(text());
  }
  /// Leaves the progress line; the next message starts on a line of its own.
  void end_progress();

 private:
  using Clock = std::chrono::steady_clock;
  bool due(long long done, long long total);
  void show(const std::string& text);
  void clear_line();

  std::string program_;
  LogLevel level_;
  bool terminal_;
  bool line_shown_ = false;
  long long tenth_ = -1;  ///< the last tenth that got a line; -1 until the first call tells the total
  long long start_ = 0;
  Clock::time_point last_shown_{};
};

}  // namespace clade
