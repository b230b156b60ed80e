// SPDX-License-Identifier: Apache-2.0
#include "tools/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string_view>
#include <tuple>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "tools/files.h"

namespace clade {

namespace fs = std::filesystem;

namespace {

constexpr const char* kLockName = ".lock";

bool starts_with(const fs::path& path, const char* prefix) { return path.filename().string().starts_with(prefix); }

// Removes the files of a folder that `chosen` picks.
template <class Chosen>
void remove_files(const fs::path& folder, Chosen&& chosen) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    if (!entry.is_regular_file(error) || !chosen(entry.path())) continue;
    CLADE_CHECK(fs::remove(entry.path(), error), ErrorCode::output, "cannot remove ", entry.path().string(), ": ",
                error.message());
  }
}

std::int64_t step_of(const std::string& line) {
  const nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
  if (!json.is_object() || !json.contains("step") || !json["step"].is_number_integer()) return -1;
  return json["step"].get<std::int64_t>();
}

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

RunFolder::RunFolder(const fs::path& folder) : folder_(folder) {
  std::error_code error;
  created_ = !fs::exists(folder_, error);
  // A process that fails at once takes folder and lock away again, maybe just after this one opened them: the lock then
  // has no name, and whoever comes next would get another one.
  constexpr int kAttempts = 100;
  for (int attempt = 0; attempt < kAttempts && lock_ < 0; ++attempt) lock_ = try_lock();
  CLADE_CHECK(lock_ >= 0, ErrorCode::output, "the folder ", folder_.string(), " is removed again and again");
  sign_lock(lock_);
}

int RunFolder::try_lock() {
  create_folder(folder_);
  const fs::path path = folder_ / kLockName;
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (file < 0 && errno == ENOENT) {
    created_ = true;
    return -1;
  }
  CLADE_CHECK(file >= 0, ErrorCode::output, "cannot write to the folder ", folder_.string(), ": ",
              std::strerror(errno));
  // The kernel lets go of the lock with the process, however it ends.
  if (::flock(file, LOCK_EX | LOCK_NB) == 0) {
    if (is_file_at(file, path)) return file;
    ::close(file);
    created_ = true;
    return -1;
  }
  const int cause = errno;
  const std::string holder = read_lock(file);
  ::close(file);
  CLADE_CHECK(cause != EWOULDBLOCK, ErrorCode::output, holder, " is training in ", folder_.string());
  fail(ErrorCode::output, "cannot lock ", path.string(), ": ", std::strerror(cause));
}

RunFolder::~RunFolder() {
  std::error_code ignored;
  if (created_ && !has_run()) {
    fs::remove(folder_ / kLockName, ignored);
    fs::remove(folder_, ignored);
  }
  ::close(lock_);
}

fs::path RunFolder::epoch(std::int64_t number) const {
  const std::string digits = std::to_string(number);
  const std::string zeros(digits.size() < 4 ? 4 - digits.size() : 0, '0');
  return folder_ / str("epoch_", zeros, digits, ".safetensors");
}

bool RunFolder::has_run() const {
  std::error_code error;
  return fs::exists(config(), error) || fs::exists(state(), error);
}

void RunFolder::clear() const {
  // The state goes first: without it no later step can take the rest for a run to go on with.
  remove_files(folder_, [this](const fs::path& path) { return path == state(); });
  remove_files(folder_, [this](const fs::path& path) {
    return path == config() || path == log() || path == validation() || path == latest() || path == best() ||
           (starts_with(path, "epoch_") && path.extension() == ".safetensors");
  });
}

void RunFolder::remove_temporaries() const {
  remove_files(folder_, [](const fs::path& path) { return starts_with(path, ".tmp-"); });
}

StepLines::StepLines(const fs::path& path, std::int64_t last_step) : path_(path) {
  std::uintmax_t keep = 0;
  {
    std::ifstream in(path, std::ios::binary);
    std::string line;
    // A line without its newline was being written when the process died.
    while (std::getline(in, line) && !in.eof()) {
      const std::int64_t step = step_of(line);
      if (step < 0 || step > last_step) break;
      keep += line.size() + 1;
      ++size_;
    }
  }
  if (!fs::exists(path)) return;
  open(0);
  CLADE_CHECK(::ftruncate(file_, static_cast<off_t>(keep)) == 0, ErrorCode::output, "cannot write ", path.string(),
              ": ", std::strerror(errno));
}

StepLines::~StepLines() {
  if (file_ >= 0) ::close(file_);
}

void StepLines::open(int more_flags) {
  file_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | more_flags, 0666);
  CLADE_CHECK(file_ >= 0, ErrorCode::output, "cannot write ", path_.string(), ": ", std::strerror(errno));
}

void StepLines::append(const std::string& line) {
  if (file_ < 0) open(O_CREAT);
  const std::string text = line + '\n';
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t written = ::write(file_, text.data() + done, text.size() - done);
    if (written < 0 && errno == EINTR) continue;
    CLADE_CHECK(written > 0, ErrorCode::output, "cannot write ", path_.string(), ": ", std::strerror(errno));
    done += static_cast<std::size_t>(written);
  }
  ++size_;
}

void StepLines::flush() {
  if (file_ < 0) return;
  // Some file systems cannot flush; that is not a failed write.
  CLADE_CHECK(::fsync(file_) == 0 || errno == EINVAL || errno == ENOTSUP, ErrorCode::output, "cannot write ",
              path_.string(), ": ", std::strerror(errno));
}

}  // namespace clade
