// SPDX-License-Identifier: Apache-2.0
// What a call that must fail says.
#pragma once

#include <string>

#include "core/error.h"
#include "tests/support/catch.h"

namespace clade::test {

/// Runs `body`, which must throw an Error of this kind, and returns its message.
template <class Body>
std::string error_of(ErrorCode code, const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    INFO("message: " << error.what());
    CHECK(static_cast<int>(error.code()) == static_cast<int>(code));
    return error.what();
  }
  FAIL("no error was thrown");
  return {};
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace clade::test
