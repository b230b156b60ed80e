// SPDX-License-Identifier: Apache-2.0
// What every call of <clade/clade.hpp> does with errors and numbers.
#pragma once

#include <clade/clade.hpp>

#include <new>

#include "core/error.h"

namespace clade::api {

// The values of Status are those of ErrorCode.
static_assert(static_cast<int>(Status::internal) == static_cast<int>(ErrorCode::internal));
static_assert(static_cast<int>(Status::usage) == static_cast<int>(ErrorCode::usage));
static_assert(static_cast<int>(Status::input) == static_cast<int>(ErrorCode::input));
static_assert(static_cast<int>(Status::model) == static_cast<int>(ErrorCode::model));
static_assert(static_cast<int>(Status::output) == static_cast<int>(ErrorCode::output));
static_assert(static_cast<int>(Status::device) == static_cast<int>(ErrorCode::device));
static_assert(static_cast<int>(Status::numerical) == static_cast<int>(ErrorCode::numerical));
static_assert(static_cast<int>(Status::interrupted) == static_cast<int>(ErrorCode::interrupted));

/// Runs `body`; whatever it throws leaves as the public Error.
template <class Body>
auto translate(const Body& body) -> decltype(body()) {
  try {
    return body();
  } catch (const clade::Error& error) {
    throw Error(static_cast<Status>(error.code()), error.what());
  } catch (const std::bad_alloc&) {
    throw Error(Status::device, "out of memory");
  } catch (const std::exception& error) {
    throw Error(Status::internal, error.what());
  }
}

/// A number of the command line with its limits; 0 leaves the choice to the library.
inline int in_range(const char* name, int value, int limit) {
  CLADE_CHECK(value >= 0 && value <= limit, ErrorCode::usage, name, " is ", value, ", expected 0 to ", limit);
  return value;
}

}  // namespace clade::api
