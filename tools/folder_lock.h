// SPDX-License-Identifier: Apache-2.0
// One process at a time in a folder.
#pragma once

#include <filesystem>
#include <string>

namespace clade {

/// Holds FOLDER/.lock until it is destroyed or the process ends, however it ends.
class FolderLock {
 public:
  /// Creates the folder if it is not there. Throws Error(output) naming the other process that `does` something in it
  /// ("is training in").
  FolderLock(const std::filesystem::path& folder, const std::string& does);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

  static std::filesystem::path path(const std::filesystem::path& folder);
  bool created_folder() const { return created_folder_; }

 private:
  /// The locked file, or -1 if it was taken away meanwhile.
  int try_lock(const std::filesystem::path& folder, const std::string& does);

  bool created_folder_ = false;
  int file_ = -1;
};

}  // namespace clade
