// SPDX-License-Identifier: Apache-2.0
#include "tools/eval_table.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>

#include <nlohmann/json.hpp>

#include "core/error.h"

namespace clade {

void print_table(std::ostream& out, const TextTable& table) {
  std::vector<std::size_t> widths;
  for (const auto& row : table)
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i == widths.size()) widths.push_back(0);
      widths[i] = std::max(widths[i], row[i].size());
    }
  for (const auto& row : table) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string space(widths[i] - row[i].size(), ' ');
      line += i == 0 ? row[i] + space : "  " + space + row[i];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << '\n';
  }
}

std::string to_csv(const TextTable& table) {
  std::string text;
  for (const auto& row : table)
    for (std::size_t i = 0; i < row.size(); ++i) {
      std::string cell = row[i];
      if (cell.find_first_of(",\"\r\n") != std::string::npos) {
        for (std::size_t at = 0; (at = cell.find('"', at)) != std::string::npos; at += 2) cell.insert(at, 1, '"');
        cell = '"' + cell + '"';
      }
      text += cell + (i + 1 < row.size() ? ',' : '\n');
    }
  return text;
}

TextTable parse_csv(const std::string& text) {
  TextTable table;
  std::vector<std::string> row;
  std::string cell;
  bool quoted = false, line_begun = false;
  const auto end_line = [&] {
    if (!line_begun) return;  // empty lines mean nothing
    row.push_back(std::move(cell));
    CLADE_CHECK(table.empty() || row.size() == table.front().size(), ErrorCode::input, "line ", table.size() + 1,
                " has ", row.size(), " cells, the first line ", table.front().size());
    table.push_back(std::move(row));
    row.clear();
    cell.clear();
    line_begun = false;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c != '"') {
        cell += c;
      } else if (i + 1 < text.size() && text[i + 1] == '"') {
        cell += text[++i];
      } else {
        quoted = false;
      }
      continue;
    }
    if (c == '\n') {
      end_line();
    } else if (c != '\r') {
      line_begun = true;
      if (c == '"') {
        quoted = true;
      } else if (c == ',') {
        row.push_back(std::move(cell));
        cell.clear();
      } else {
        cell += c;
      }
    }
  }
  CLADE_CHECK(!quoted, ErrorCode::input, "a quote is not closed");
  end_line();
  return table;
}

std::string fixed(std::optional<double> value, int decimals) {
  if (!value) return "-";
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, *value);
  return text;
}

std::string exact(std::optional<double> value) { return value ? nlohmann::json(*value).dump() : ""; }

std::string read_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  CLADE_CHECK(in, ErrorCode::input, "cannot read ", path.string());
  std::string text{std::istreambuf_iterator<char>(in), {}};
  CLADE_CHECK(!in.bad(), ErrorCode::input, "cannot read ", path.string());
  return text;
}

}  // namespace clade
