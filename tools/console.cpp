// SPDX-License-Identifier: Apache-2.0
#include "tools/console.h"

#include <unistd.h>

#include <iostream>

namespace clade {

namespace {

constexpr auto kRefresh = std::chrono::milliseconds(200);

const char* label(LogLevel level) {
  switch (level) {
    case LogLevel::error:
      return "error: ";
    case LogLevel::warning:
      return "warning: ";
    default:
      return "";
  }
}

}  // namespace

Console::Console(std::string program, LogLevel level)
    : program_(std::move(program)), level_(level), terminal_(::isatty(STDERR_FILENO) == 1) {}

Log Console::log() {
  return Log([this](LogLevel level, std::string_view text) { message(level, text); });
}

void Console::message(LogLevel level, std::string_view text) {
  if (level > level_) return;
  clear_line();
  std::cerr << program_ << ": " << label(level) << text << '\n' << std::flush;
}

void Console::begin_progress(long long done) {
  start_ = done;
  tenth_ = -1;
  last_shown_ = {};
}

bool Console::due(long long done, long long total) {
  // Quiet means errors only.
  if (level_ < LogLevel::warning) return false;
  if (terminal_) {
    const auto now = Clock::now();
    if (done < total && now - last_shown_ < kRefresh) return false;
    last_shown_ = now;
    return true;
  }
  const auto tenth_of = [&](long long units) { return total > 0 ? units * 10 / total : 10; };
  if (tenth_ < 0) tenth_ = tenth_of(start_);
  if (tenth_of(done) <= tenth_) return false;
  tenth_ = tenth_of(done);
  return true;
}

void Console::show(const std::string& text) {
  if (terminal_) {
    std::cerr << "\r\033[K" << text << std::flush;
    line_shown_ = true;
  } else {
    std::cerr << text << '\n' << std::flush;
  }
}

void Console::end_progress() {
  if (line_shown_) std::cerr << '\n' << std::flush;
  line_shown_ = false;
}

void Console::clear_line() {
  if (line_shown_) std::cerr << "\r\033[K";
  line_shown_ = false;
}

}  // namespace clade
