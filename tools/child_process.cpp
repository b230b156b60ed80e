// SPDX-License-Identifier: Apache-2.0
#include "tools/child_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "core/error.h"

namespace clade {

namespace fs = std::filesystem;

namespace {

bool is_program(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error) && ::access(path.c_str(), X_OK) == 0;
}

struct FileActions {
  posix_spawn_file_actions_t actions;
  FileActions() { posix_spawn_file_actions_init(&actions); }
  ~FileActions() { posix_spawn_file_actions_destroy(&actions); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
};

struct Attributes {
  posix_spawnattr_t attributes;
  Attributes() { posix_spawnattr_init(&attributes); }
  ~Attributes() { posix_spawnattr_destroy(&attributes); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
};

}  // namespace

fs::path find_program(const std::string& name) {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (!error && is_program(self.parent_path() / name)) return self.parent_path() / name;
  const char* path = std::getenv("PATH");
  std::istringstream folders(path ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');)
    if (!folder.empty() && is_program(fs::path(folder) / name)) return fs::path(folder) / name;
  fail(ErrorCode::usage, "there is no ", name, " beside this program, nor in PATH");
}

ChildProcess::ChildProcess(const fs::path& program, const std::vector<std::string>& arguments, const fs::path& log) {
  const int file = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  CLADE_CHECK(file >= 0, ErrorCode::output, "cannot write ", log.string(), ": ", std::strerror(errno));
  FileActions files;
  posix_spawn_file_actions_addopen(&files.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files.actions, file, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files.actions, file, STDERR_FILENO);
  Attributes own_group;
  posix_spawnattr_setflags(&own_group.attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&own_group.attributes, 0);

  std::vector<char*> argv{const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const int cause =
      posix_spawn(&process_, program.c_str(), &files.actions, &own_group.attributes, argv.data(), environ);
  ::close(file);
  CLADE_CHECK(cause == 0, ErrorCode::device, "cannot start ", program.string(), ": ", std::strerror(cause));
}

ChildProcess::~ChildProcess() {
  if (poll()) return;
  signal(SIGTERM);
  wait(0);
}

std::optional<int> ChildProcess::poll() { return wait(WNOHANG); }

std::optional<int> ChildProcess::wait(int options) {
  if (code_) return code_;
  int status = 0;
  pid_t ended = 0;
  do {
    ended = ::waitpid(process_, &status, options);
  } while (ended < 0 && errno == EINTR);
  if (ended == process_) code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return code_;
}

void ChildProcess::signal(int number) const {
  if (!code_) ::kill(process_, number);
}

}  // namespace clade
