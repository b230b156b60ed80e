// SPDX-License-Identifier: Apache-2.0
// The checksum that a safetensors file of this library carries in its own metadata.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace clade {

/// CRC-32 (that of zlib) of all bytes of a file, its header included, with zeros where the digits of the sum stand.
/// Two entries of the metadata, so that a file whose damage hits one of them still tells that it had a checksum.
inline constexpr const char* kChecksumKey = "checksum";
inline constexpr const char* kChecksumKindKey = "checksum_kind";
inline constexpr const char* kChecksumKind = "crc32";
inline constexpr std::string_view kZeroChecksum = "00000000";

class Crc32 {
 public:
  void add(const void* bytes, std::size_t size);
  /// Eight hexadecimal digits.
  std::string digits() const;

 private:
  std::uint32_t sum_ = 0;
};

/// Where in the text of a header the digits stand; npos if they do not stand there as this library writes them.
std::size_t checksum_position(std::string_view header);

/// Takes the two entries out of the metadata and the digits out of `header` (zeros stay). Returns the digits; empty for
/// a file without a checksum. Throws Error(input) when only a part of it is there.
std::string take_checksum(std::map<std::string, std::string>& metadata, std::string& header);

}  // namespace clade
