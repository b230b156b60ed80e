// SPDX-License-Identifier: Apache-2.0
// The one exception type of the library, and the process exit code that each kind of failure maps to.
#pragma once

#include <exception>
#include <sstream>
#include <string>
#include <utility>

namespace clade {

/// Kinds of failure. The value is the exit code of the command-line tools.
enum class ErrorCode : int {
  internal = 1,      ///< a broken invariant of this library
  usage = 2,         ///< wrong arguments
  input = 3,         ///< input unreadable, malformed or unsupported
  model = 4,         ///< model or checkpoint invalid or mismatched
  output = 5,        ///< output exists or cannot be written
  device = 6,        ///< device unavailable or out of memory
  numerical = 7,     ///< NaN or infinity where finite values are required
  partial = 8,       ///< some inputs of a batch failed
  interrupted = 130  ///< stopped by a signal or a callback, state saved
};

/// Joins the printed forms of its arguments.
template <class... Parts>
std::string str(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return std::move(out).str();
}

/// `text` with '?' for control characters: names and values of files go into messages, line feeds and escapes of
/// terminals among them.
inline std::string printable(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return text;
}

/// An error with a code and a one-line message, a chain of contexts with the outermost first:
/// "super-resolving case07.nii.gz: reading header: dim[0] is 2, expected 3".
class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(printable(std::move(message))) {}

  ErrorCode code() const noexcept { return code_; }
  const char* what() const noexcept override { return message_.c_str(); }

  /// Puts "context: " in front of the message.
  void add_context(const std::string& context) { message_ = printable(context) + ": " + message_; }

 private:
  ErrorCode code_;
  std::string message_;
};

template <class... Parts>
[[noreturn]] void fail(ErrorCode code, const Parts&... parts) {
  throw Error(code, str(parts...));
}

/// Runs `body`; an Error that leaves it gets `context` put in front of its message.
template <class Body>
auto with_context(const std::string& context, Body&& body) -> decltype(body()) {
  try {
    return body();
  } catch (Error& error) {
    error.add_context(context);
    throw;
  }
}

}  // namespace clade

/// Throws Error(code, message parts...) unless the condition holds.
#define CLADE_CHECK(condition, code, ...)           \
  do {                                              \
    if (!(condition)) ::clade::fail(code, __VA_ARGS__); \
  } while (false)
