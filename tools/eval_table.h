// SPDX-License-Identifier: Apache-2.0
// Tables on standard output and in files.
#pragma once

#include <filesystem>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace clade {

/// Rows of cells; the first row is the heading.
using TextTable = std::vector<std::vector<std::string>>;

/// Columns as wide as needed, the first one left-aligned, the others right-aligned.
void print_table(std::ostream& out, const TextTable& table);

/// Comma-separated values (RFC 4180, lines end with a newline): cells with commas, quotes or line breaks are quoted.
std::string to_csv(const TextTable& table);
/// Cells of comma-separated values. Throws Error(input) for unbalanced quotes or lines of unequal length.
TextTable parse_csv(const std::string& text);

/// With this many decimals; "-" for none.
std::string fixed(std::optional<double> value, int decimals);
/// All digits that are needed to read the same number again; empty for none.
std::string exact(std::optional<double> value);

/// Throws Error(input) when the file cannot be read.
std::string read_text(const std::filesystem::path& path);

}  // namespace clade
