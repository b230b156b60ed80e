// SPDX-License-Identifier: Apache-2.0
#include "core/atomic_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace clade {

namespace {

namespace fs = std::filesystem;

void flush(const fs::path& path, int flags) {
  const int file = ::open(path.c_str(), flags | O_CLOEXEC);
  CLADE_CHECK(file >= 0, ErrorCode::output, "cannot write ", path.string(), ": ", std::strerror(errno));
  const int result = ::fsync(file);
  const int error = errno;
  ::close(file);
  // Some file systems cannot flush a folder; that is not a failed write.
  CLADE_CHECK(result == 0 || error == EINVAL || error == ENOTSUP, ErrorCode::output, "cannot write ", path.string(),
              ": ", std::strerror(error));
}

// The file beside the target, held by a lock that the kernel lets go of with the process: what a killed process left is
// taken over by the next one that writes the same target, and two at a time cannot mix their bytes.
class Temporary {
 public:
  Temporary(const fs::path& target, const fs::path& folder)
      // The end of the name stays: writers of volumes choose format and compression by it.
      : path_(folder / (".tmp-" + target.filename().string())) {
    for (;;) {
      file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
      CLADE_CHECK(file_ >= 0, ErrorCode::output, "cannot write ", target.string(), ": ", std::strerror(errno));
      if (::flock(file_, LOCK_EX | LOCK_NB) != 0) {
        const int error = errno;
        ::close(file_);
        fail(ErrorCode::output, "cannot write ", target.string(), ": ",
             error == EWOULDBLOCK ? "another process is writing it" : std::strerror(error));
      }
      // The one that held it until now may have renamed or removed it.
      struct stat held = {}, named = {};
      if (::fstat(file_, &held) == 0 && ::stat(path_.c_str(), &named) == 0 && held.st_dev == named.st_dev &&
          held.st_ino == named.st_ino)
        return;
      ::close(file_);
    }
  }
  ~Temporary() { ::close(file_); }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;

  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  int file_ = -1;
};

}  // namespace

void write_atomically(const fs::path& target, const std::function<void(const fs::path& temporary)>& write) {
  const fs::path folder = target.has_parent_path() ? target.parent_path() : ".";
  const Temporary temporary(target, folder);
  try {
    write(temporary.path());
    flush(temporary.path(), O_RDWR);
    std::error_code error;
    fs::rename(temporary.path(), target, error);
    CLADE_CHECK(!error, ErrorCode::output, "cannot write ", target.string(), ": ", error.message());
    flush(folder, O_RDONLY | O_DIRECTORY);
  } catch (...) {
    std::error_code ignored;
    fs::remove(temporary.path(), ignored);
    throw;
  }
}

}  // namespace clade
