// SPDX-License-Identifier: Apache-2.0
#include "tools/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <tuple>

#include "core/error.h"
#include "tools/files.h"

namespace clade {

namespace fs = std::filesystem;

namespace {

// Who holds the lock, for the message that another process prints; the lock does not depend on it.
void sign_lock(int file) {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  const std::string text = str("process ", static_cast<long>(::getpid()), " on ", host, '\n');
  if (::ftruncate(file, 0) == 0) std::ignore = ::pwrite(file, text.data(), text.size(), 0);
}

std::string read_lock(int file) {
  char text[512];
  const ssize_t size = ::pread(file, text, sizeof text, 0);
  const std::string_view holder(text, size > 0 ? static_cast<std::size_t>(size) : 0);
  // The holder may be about to write its name.
  return holder.ends_with('\n') ? std::string(holder.substr(0, holder.size() - 1)) : "another process";
}

bool is_file_at(int file, const fs::path& path) {
  struct stat opened {}, named {};
  return ::fstat(file, &opened) == 0 && ::stat(path.c_str(), &named) == 0 && opened.st_dev == named.st_dev &&
         opened.st_ino == named.st_ino;
}

}  // namespace

FolderLock::FolderLock(const fs::path& folder, const std::string& does) {
  std::error_code error;
  created_folder_ = !fs::exists(folder, error);
  // A process that fails at once takes folder and lock away again, maybe just after this one opened them: the lock then
  // has no name, and whoever comes next would get another one.
  constexpr int kAttempts = 100;
  for (int attempt = 0; attempt < kAttempts && file_ < 0; ++attempt) file_ = try_lock(folder, does);
  CLADE_CHECK(file_ >= 0, ErrorCode::output, "the folder ", folder.string(), " is removed again and again");
  sign_lock(file_);
}

int FolderLock::try_lock(const fs::path& folder, const std::string& does) {
  create_folder(folder);
  const fs::path name = path(folder);
  const int file = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (file < 0 && errno == ENOENT) {
    created_folder_ = true;
    return -1;
  }
  CLADE_CHECK(file >= 0, ErrorCode::output, "cannot write to the folder ", folder.string(), ": ",
              std::strerror(errno));
  // The kernel lets go of the lock with the process, however it ends.
  if (::flock(file, LOCK_EX | LOCK_NB) == 0) {
    if (is_file_at(file, name)) return file;
    ::close(file);
    created_folder_ = true;
    return -1;
  }
  const int cause = errno;
  const std::string holder = read_lock(file);
  ::close(file);
  CLADE_CHECK(cause != EWOULDBLOCK, ErrorCode::output, holder, ' ', does, ' ', folder.string());
  fail(ErrorCode::output, "cannot lock ", name.string(), ": ", std::strerror(cause));
}

FolderLock::~FolderLock() { ::close(file_); }

fs::path FolderLock::path(const fs::path& folder) { return folder / ".lock"; }

}  // namespace clade
