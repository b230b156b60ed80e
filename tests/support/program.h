// SPDX-License-Identifier: Apache-2.0
// Runs the command-line programs as a user does.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"

namespace clade::test {

struct Outcome {
  int code = -1;  ///< exit code, or 128 + signal
  std::string messages;
  long peak_kibibytes = 0;  ///< of memory
};

/// A program of the build, running in the background with its stderr in a file.
class Program {
 public:
  /// `prepare` runs in the new process before the program does.
  Program(const std::string& name, const std::vector<std::string>& arguments, const std::filesystem::path& log,
          const std::function<void()>& prepare = [] {})
      : log_(log) {
    pid_ = fork();
    if (pid_ != 0) return;
    const int file = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    dup2(file, STDERR_FILENO);
    dup2(file, STDOUT_FILENO);
    prepare();
    const std::string path = std::string(CLADE_BIN_DIR) + "/" + name;
    std::vector<char*> argv{const_cast<char*>(path.c_str())};
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    execv(path.c_str(), argv.data());
    _exit(127);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  pid_t id() const { return pid_; }
  void signal(int number) const { kill(pid_, number); }

  Outcome wait() {
    int status = 0;
    rusage usage{};
    wait4(pid_, &status, 0, &usage);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_bytes(log_), usage.ru_maxrss};
  }

 private:
  pid_t pid_;
  std::filesystem::path log_;
};

inline Outcome run(const std::string& name, const std::vector<std::string>& arguments,
                   const std::function<void()>& prepare = [] {}) {
  const TempDir folder;
  return Program(name, arguments, folder / "log", prepare).wait();
}

}  // namespace clade::test
