// SPDX-License-Identifier: Apache-2.0
// The folder of one training run: who may write in it, and what is left of an earlier run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "tools/folder_lock.h"

namespace clade {

/// Owns RUN_DIR for the life of the process, by a lock on the file RUN_DIR/.lock.
class RunFolder {
 public:
  /// Creates the folder if it is not there. Throws Error(output) naming the other process that trains in it.
  explicit RunFolder(const std::filesystem::path& folder);
  /// Takes a folder that it created away again if no run was started in it.
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  std::filesystem::path config() const { return folder_ / "config.json"; }
  std::filesystem::path log() const { return folder_ / "log.jsonl"; }
  std::filesystem::path validation() const { return folder_ / "validation.jsonl"; }
  std::filesystem::path latest() const { return folder_ / "latest.safetensors"; }
  std::filesystem::path best() const { return folder_ / "best.safetensors"; }
  std::filesystem::path state() const { return folder_ / "state.safetensors"; }
  /// epoch_0001.safetensors is the model after the first epoch.
  std::filesystem::path epoch(std::int64_t number) const;

  bool has_run() const;
  /// Removes all files of an earlier run.
  void clear() const;
  /// Removes what a killed process left half-written.
  void remove_temporaries() const;

 private:
  std::filesystem::path folder_;
  FolderLock lock_;
};

/// A file of JSON lines with a "step" each, in rising order, that grows during a run.
class StepLines {
 public:
  /// Cuts off everything after the lines of steps up to `last_step`. A file that is not there is made by the first
  /// line.
  StepLines(const std::filesystem::path& path, std::int64_t last_step);
  ~StepLines();
  StepLines(const StepLines&) = delete;
  StepLines& operator=(const StepLines&) = delete;

  /// Number of lines.
  std::int64_t size() const { return size_; }
  void append(const std::string& line);
  /// Returns when all lines are on disk.
  void flush();

 private:
  void open(int more_flags);

  std::filesystem::path path_;
  int file_ = -1;
  std::int64_t size_ = 0;
};

}  // namespace clade
