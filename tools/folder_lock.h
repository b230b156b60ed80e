// SPDX-License-Identifier: Apache-2.0
// One process at a time in a folder.
#pragma once

#include <filesystem>
#include <string>

namespace clade {

/// Holds FOLDER/.lock until it is destroyed or the process ends, however it ends.
class FolderLock {
 public:
  /// The folder must be there. Throws Error(output) naming the other process that `does` something in it ("is training
  /// in").
  FolderLock(const std::filesystem::path& folder, const std::string& does);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

  static std::filesystem::path path(const std::filesystem::path& folder);

 private:
  int file_ = -1;
};

}  // namespace clade
