// SPDX-License-Identifier: Apache-2.0
#include "io/byte_file.h"

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

namespace clade {

namespace {

// zlib counts in int.
constexpr std::size_t kMaxCall = std::size_t{1} << 30;
// zlib's files serve as plain ones for writing: what is compressed is compressed before.
constexpr char kPlainMode[] = "wbT";
constexpr unsigned kBuffer = 1u << 17;
// Deflate cannot make a byte of more than 1032 bytes.
constexpr std::uint64_t kMaxInflation = 1032;

}  // namespace

ByteReader::ByteReader(const std::filesystem::path& path) : file_(nullptr), file_size_(0), size_limit_(0) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  CLADE_CHECK(std::filesystem::exists(status), ErrorCode::input, "no such file");
  CLADE_CHECK(std::filesystem::is_regular_file(status), ErrorCode::input, "not a regular file");
  file_size_ = std::filesystem::file_size(path, error);
  CLADE_CHECK(!error, ErrorCode::input, error.message());
  CLADE_CHECK(file_size_ > 0, ErrorCode::input, "the file is empty");
  errno = 0;
  file_ = gzopen(path.c_str(), "rb");
  CLADE_CHECK(file_, ErrorCode::input, "cannot open: ", std::strerror(errno ? errno : ENOMEM));
  gzbuffer(file_, kBuffer);
  size_limit_ = gzdirect(file_) ? file_size_ : file_size_ * kMaxInflation;
}

ByteReader::~ByteReader() { gzclose(file_); }

std::size_t ByteReader::read_some(void* to, std::size_t size) {
  const int count = gzread(file_, to, static_cast<unsigned>(std::min(size, kMaxCall)));
  int error = Z_OK;
  const char* message = gzerror(file_, &error);
  // Z_BUF_ERROR is how zlib reports a compressed stream without an end.
  CLADE_CHECK(error != Z_BUF_ERROR, ErrorCode::input, "the file is truncated");
  CLADE_CHECK(count >= 0, ErrorCode::input, "damaged file: ", error == Z_ERRNO ? std::strerror(errno) : message);
  return static_cast<std::size_t>(count);
}

void ByteReader::read(void* to, std::size_t size) {
  auto* bytes = static_cast<std::byte*>(to);
  while (size > 0) {
    const std::size_t count = read_some(bytes, size);
    CLADE_CHECK(count > 0, ErrorCode::input, "the file is truncated");
    bytes += count;
    size -= count;
  }
}

void ByteReader::skip(std::uint64_t size) {
  std::vector<std::byte> sink(static_cast<std::size_t>(std::min<std::uint64_t>(size, kBuffer)));
  while (size > 0) {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(size, sink.size()));
    read(sink.data(), count);
    size -= count;
  }
}

std::uint64_t ByteReader::finish() {
  std::vector<std::byte> sink(kBuffer);
  std::uint64_t rest = 0;
  while (const std::size_t count = read_some(sink.data(), sink.size())) rest += count;
  return rest;
}

ByteWriter::ByteWriter(const std::filesystem::path& path, Compression compression, std::filesystem::path name,
                       ThreadPool* pool)
    : name_(std::move(name)), file_(nullptr) {
  errno = 0;
  file_ = gzopen(path.c_str(), kPlainMode);
  if (!file_) fail_write(errno ? errno : ENOMEM);
  gzbuffer(file_, kBuffer);
  if (compression == Compression::gzip)
    encoder_.emplace(pool, [this](const void* bytes, std::size_t size) { write_plain(bytes, size); });
}

ByteWriter::~ByteWriter() {
  if (file_) gzclose(file_);
}

void ByteWriter::write(const void* from, std::size_t size) {
  if (encoder_) {
    encoder_->write(from, size);
  } else {
    write_plain(from, size);
  }
}

void ByteWriter::write_plain(const void* from, std::size_t size) {
  const auto* bytes = static_cast<const std::byte*>(from);
  while (size > 0) {
    const std::size_t count = std::min(size, kMaxCall);
    if (gzwrite(file_, bytes, static_cast<unsigned>(count)) <= 0) fail_write(errno);
    bytes += count;
    size -= count;
  }
}

void ByteWriter::close() {
  if (encoder_) encoder_->finish();
  if (gzclose(std::exchange(file_, nullptr)) != Z_OK) fail_write(errno);
}

void ByteWriter::fail_write(int error) const {
  fail(ErrorCode::output, "cannot write ", name_.string(), ": ", std::strerror(error));
}

}  // namespace clade
