// SPDX-License-Identifier: Apache-2.0
// Other programs, run in the background with their messages in a file.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace clade {

/// The program beside the running one, else the one that PATH has. Throws Error(usage) when there is none.
std::filesystem::path find_program(const std::string& name);

/// A process in a process group of its own, so that Ctrl-C on the terminal reaches it through its parent only. One that
/// still runs when the object goes is told to stop and waited for.
class ChildProcess {
 public:
  /// What it prints is appended to `log`. Throws Error(output) when that cannot be written, Error(device) when no
  /// process can be started.
  ChildProcess(const std::filesystem::path& program, const std::vector<std::string>& arguments,
               const std::filesystem::path& log);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  /// The exit code once it has ended, or 128 + the signal that ended it.
  std::optional<int> poll();
  void signal(int number) const;

 private:
  std::optional<int> wait(int options);

  pid_t process_ = -1;
  std::optional<int> code_;
};

}  // namespace clade
