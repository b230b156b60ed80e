// SPDX-License-Identifier: Apache-2.0
// Pages that need nothing but themselves: no network, no other files.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "io/png.h"
#include "tools/eval_table.h"

namespace clade {

/// Text inside of elements and quoted attributes.
std::string escape_html(const std::string& text);

/// A picture as the source of an <img>.
std::string png_uri(const GreyImage& image, const Palette* palette = nullptr);

/// A table; the first row is the heading, the first column names the rows.
std::string html_table(const TextTable& table);

struct Page {
  std::string title;
  std::string body;                  ///< HTML
  nlohmann::ordered_json data;       ///< what the scripts find in the element "data"
  std::vector<const char*> scripts;  ///< in this order, after the body
};
/// The whole document. Its content security policy forbids every request; bytes of `data` that are not UTF-8 are
/// replaced.
std::string html_document(const Page& page);

}  // namespace clade
