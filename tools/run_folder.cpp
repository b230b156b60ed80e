// SPDX-License-Identifier: Apache-2.0
#include "tools/run_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string_view>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "tools/files.h"

namespace clade {

namespace fs = std::filesystem;

namespace {

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

}  // namespace

RunFolder::RunFolder(const fs::path& folder) : folder_(folder), lock_(folder, "is training in") {}

RunFolder::~RunFolder() {
  std::error_code ignored;
  if (lock_.created_folder() && !has_run()) {
    fs::remove(FolderLock::path(folder_), ignored);
    fs::remove(folder_, ignored);
  }
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
