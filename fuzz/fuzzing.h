// SPDX-License-Identifier: Apache-2.0
// What the fuzz targets share. A target returns normally for whatever the library refuses with an Error; everything
// else (other exceptions, sanitizer reports, broken promises) ends the process, which libFuzzer records.
#pragma once

#include <stdlib.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "core/error.h"

namespace clade::fuzz {

/// Ends the process with a message unless the library kept its promise.
inline void require(bool kept, const char* promise) {
  if (kept) return;
  std::fprintf(stderr, "broken promise: %s\n", promise);
  std::abort();
}

/// Runs `body`. True if it ended, false if it threw an Error that blames the input.
template <class Body>
bool accepted(const Body& body) {
  try {
    body();
    return true;
  } catch (const Error& error) {
    if (error.code() == ErrorCode::internal) std::fprintf(stderr, "%s\n", error.what());
    require(error.code() != ErrorCode::internal, "no input leads to an internal error");
    require(std::string_view(error.what()).find('\n') == std::string_view::npos, "messages are one line");
    return false;
  }
}

/// A folder of this process, for files that are read by name; in memory where the system has such a place.
class Folder {
 public:
  Folder() {
    const std::filesystem::path memory = "/dev/shm";
    const auto parent = std::filesystem::is_directory(memory) ? memory : std::filesystem::temp_directory_path();
    std::string name = (parent / "clade-fuzz-XXXXXX").string();
    require(mkdtemp(name.data()) != nullptr, "a folder for files can be made");
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

  std::filesystem::path write(const std::string& name, std::string_view bytes) const {
    std::ofstream stream(path_ / name, std::ios::binary);
    stream.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    require(stream.good(), "files can be written");
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

/// The folder of this process, removed when it ends in an orderly way.
inline const Folder& folder() {
  static const Folder instance;
  return instance;
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// Takes the last byte off the input and returns it: files in front of it stay what other tools can read.
inline unsigned take_mode(std::string_view& bytes) {
  const auto mode = static_cast<unsigned char>(bytes.back());
  bytes.remove_suffix(1);
  return mode;
}

}  // namespace clade::fuzz
