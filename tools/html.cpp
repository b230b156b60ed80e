// SPDX-License-Identifier: Apache-2.0
#include "tools/html.h"

#include "core/version.h"
#include "tools/page_assets.h"

namespace clade {

namespace {

std::string base64(const std::vector<std::uint8_t>& bytes) {
  constexpr const char* kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t word = 0;
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t j = 0; j < 3; ++j) word = word << 8 | (j < count ? bytes[i + j] : 0u);
    for (std::size_t j = 0; j < 4; ++j) text += j <= count ? kDigits[word >> (18 - 6 * j) & 63] : '=';
  }
  return text;
}

// A "<" in a string would let "</script>" end the element; JSON may write it otherwise.
std::string script_json(const nlohmann::ordered_json& data) {
  std::string text;
  for (char c : data.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)) {
    if (c == '<') {
      text += "\\u003c";
    } else {
      text += c;
    }
  }
  return text;
}

}  // namespace

std::string escape_html(const std::string& text) {
  std::string escaped;
  for (char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string png_uri(const GreyImage& image, const Palette* palette) {
  return "data:image/png;base64," + base64(encode_png(image, palette));
}

std::string html_table(const TextTable& table) {
  std::string html = "<div class=\"scroll\"><table>\n<thead><tr>";
  for (const std::string& cell : table.front()) html += "<th scope=\"col\">" + escape_html(cell) + "</th>";
  html += "</tr></thead>\n<tbody>\n";
  for (std::size_t row = 1; row < table.size(); ++row) {
    html += "<tr>";
    for (std::size_t i = 0; i < table[row].size(); ++i)
      html += (i == 0 ? "<th scope=\"row\">" : "<td>") + escape_html(table[row][i]) + (i == 0 ? "</th>" : "</td>");
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

std::string html_document(const Page& page) {
  std::string html =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
      "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"generator\" content=\"clade_eval ";
  html += std::string(kVersion) + "\">\n<title>" + escape_html(page.title) + "</title>\n<style>\n" + kPageStyle +
          "</style>\n</head>\n<body>\n" + page.body + "<script id=\"data\" type=\"application/json\">" +
          script_json(page.data) + "</script>\n";
  for (const char* script : page.scripts) html += std::string("<script>\n") + script + "</script>\n";
  return html + "</body>\n</html>\n";
}

}  // namespace clade
