// SPDX-License-Identifier: Apache-2.0
// Bytes from and to files that may be gzip-compressed. Every short read or failed write is an Error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>

#include "core/error.h"
#include "io/gzip_encoder.h"

struct gzFile_s;

namespace clade {

/// Reads a file from the start to its end, inflating it if it is gzip. Errors say what is wrong, not with which file:
/// that is the context of the caller.
class ByteReader {
 public:
  /// Throws Error(input) if the file cannot be opened or is not a regular file.
  explicit ByteReader(const std::filesystem::path& path);
  ~ByteReader();
  ByteReader(const ByteReader&) = delete;
  ByteReader& operator=(const ByteReader&) = delete;

  /// Upper bound on the bytes that the file can hold once inflated: what a header claims beyond it is a lie.
  std::uint64_t size_limit() const { return size_limit_; }
  /// Bytes on disk.
  std::uint64_t file_size() const { return file_size_; }

  /// Exactly `size` bytes. Throws Error(input) if the file ends before or is damaged.
  void read(void* to, std::size_t size);
  void skip(std::uint64_t size);
  /// At most `size` bytes; returns how many there were. Throws Error(input) if the file is damaged.
  std::size_t read_some(void* to, std::size_t size);
  /// Reads on to the end, where gzip holds its checksum; returns how many bytes were left. Throws Error(input) if the
  /// file is damaged.
  std::uint64_t finish();

 private:
  gzFile_s* file_;
  std::uint64_t file_size_;
  std::uint64_t size_limit_;
};

enum class Compression { none, gzip };

/// Writes a new file from its start.
class ByteWriter {
 public:
  /// `name` is the path that errors speak of: that of the final file if `path` is a temporary one. `pool` compresses.
  ByteWriter(const std::filesystem::path& path, Compression compression, std::filesystem::path name,
             ThreadPool* pool = nullptr);
  ~ByteWriter();
  ByteWriter(const ByteWriter&) = delete;
  ByteWriter& operator=(const ByteWriter&) = delete;

  /// Throws Error(output).
  void write(const void* from, std::size_t size);
  /// Ends the file; without this call it is incomplete. Throws Error(output).
  void close();

 private:
  void write_plain(const void* from, std::size_t size);
  [[noreturn]] void fail_write(int error) const;

  std::filesystem::path name_;
  gzFile_s* file_;
  std::optional<GzipEncoder> encoder_;
};

}  // namespace clade
