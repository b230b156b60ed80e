// SPDX-License-Identifier: Apache-2.0
#include "io/safetensors_checksum.h"

#include <zlib.h>

#include <cstdio>

#include "core/error.h"

namespace clade {

void Crc32::add(const void* bytes, std::size_t size) {
  sum_ = static_cast<std::uint32_t>(crc32_z(sum_, static_cast<const Bytef*>(bytes), size));
}

std::string Crc32::digits() const {
  char text[16];
  std::snprintf(text, sizeof text, "%08x", static_cast<unsigned>(sum_));
  return text;
}

std::size_t checksum_position(std::string_view header) {
  // Quotes inside of JSON strings have a backslash before them: this can only be the key itself.
  const std::string start = str('"', kChecksumKey, "\":\"");
  const std::size_t found = header.find(start);
  if (found == std::string_view::npos) return found;
  const std::size_t position = found + start.size();
  const std::size_t end = position + kZeroChecksum.size();
  return end < header.size() && header[end] == '"' ? position : std::string_view::npos;
}

std::string take_checksum(std::map<std::string, std::string>& metadata, std::string& header) {
  const auto sum = metadata.extract(kChecksumKey);
  const auto kind = metadata.extract(kChecksumKindKey);
  if (!sum && !kind) return {};
  const std::size_t position = checksum_position(header);
  CLADE_CHECK(sum && kind && kind.mapped() == kChecksumKind && position != std::string::npos &&
                  header.compare(position, kZeroChecksum.size(), sum.mapped()) == 0,
              ErrorCode::input, "damaged file: its checksum cannot be read");
  header.replace(position, kZeroChecksum.size(), kZeroChecksum);
  return sum.mapped();
}

}  // namespace clade
