// SPDX-License-Identifier: Apache-2.0
#include "core/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace clade {

namespace {

void flush(const std::filesystem::path& path, int flags) {
  const int file = ::open(path.c_str(), flags);
  CLADE_CHECK(file >= 0, ErrorCode::output, "cannot write ", path.string(), ": ", std::strerror(errno));
  const int result = ::fsync(file);
  const int error = errno;
  ::close(file);
  // Some file systems cannot flush a folder; that is not a failed write.
  CLADE_CHECK(result == 0 || error == EINVAL || error == ENOTSUP, ErrorCode::output, "cannot write ", path.string(),
              ": ", std::strerror(error));
}

}  // namespace

void write_atomically(const std::filesystem::path& target,
                      const std::function<void(const std::filesystem::path& temporary)>& write) {
  const std::filesystem::path folder = target.has_parent_path() ? target.parent_path() : ".";
  // The end of the name stays: writers of volumes choose format and compression by it.
  const std::filesystem::path temporary =
      folder / str(".tmp-", static_cast<long>(::getpid()), "-", target.filename().string());
  try {
    write(temporary);
    flush(temporary, O_RDWR);
    std::error_code error;
    std::filesystem::rename(temporary, target, error);
    CLADE_CHECK(!error, ErrorCode::output, "cannot write ", target.string(), ": ", error.message());
    flush(folder, O_RDONLY | O_DIRECTORY);
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    throw;
  }
}

}  // namespace clade
