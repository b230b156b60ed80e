// SPDX-License-Identifier: Apache-2.0
// Whole numbers of JSON files. The library's get<int>() takes 1e30, 2.5 and true as well, and makes anything of them.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/error.h"

namespace clade {

/// `value` as an integer from `low` to `high`. Throws Error(input) naming `key` when it is none.
template <std::integral T, class Json>
T integer(const Json& value, const char* key, T low = std::numeric_limits<T>::min(),
          T high = std::numeric_limits<T>::max()) {
  const auto within = [&](auto number) {
    return std::cmp_greater_equal(number, low) && std::cmp_less_equal(number, high);
  };
  const bool good = value.is_number_unsigned()  ? within(value.template get<std::uint64_t>())
                    : value.is_number_integer() ? within(value.template get<std::int64_t>())
                                                : false;
  CLADE_CHECK(good, ErrorCode::input, "'", key, "' is ", value.dump(), ", expected a whole number from ", low, " to ",
              high);
  return value.template get<T>();
}

/// The member `key` of an object; a missing one is an error of the JSON library.
template <std::integral T, class Json>
T integer_at(const Json& object, const char* key, T low = std::numeric_limits<T>::min(),
             T high = std::numeric_limits<T>::max()) {
  return integer<T>(object.at(key), key, low, high);
}

}  // namespace clade
