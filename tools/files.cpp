// SPDX-License-Identifier: Apache-2.0
#include "tools/files.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/atomic_file.h"
#include "core/error.h"
#include "io/byte_file.h"
#include "io/nifti.h"

namespace clade {

namespace fs = std::filesystem;

std::vector<fs::path> expand_inputs(const std::vector<std::string>& names) {
  std::vector<fs::path> files;
  for (const std::string& name : names) {
    std::error_code error;
    if (!fs::is_directory(name, error)) {
      files.emplace_back(name);
      continue;
    }
    std::vector<fs::path> inside;
    for (const fs::directory_entry& entry : fs::directory_iterator(name, error))
      if (entry.is_regular_file(error) && has_nifti_extension(entry.path())) inside.push_back(entry.path());
    CLADE_CHECK(!inside.empty(), ErrorCode::input, "no .nii or .nii.gz files in the folder ", name,
                " (pairs of .hdr and .img are named one by one)");
    std::sort(inside.begin(), inside.end());
    files.insert(files.end(), inside.begin(), inside.end());
  }
  return files;
}

void check_output(const fs::path& path, bool force) {
  std::error_code error;
  CLADE_CHECK(force || !fs::exists(path, error), ErrorCode::output, path.string(), " exists; --force replaces it");
  CLADE_CHECK(!fs::is_directory(path, error), ErrorCode::output, path.string(), " is a folder");
  const fs::path folder = path.has_parent_path() ? path.parent_path() : ".";
  CLADE_CHECK(::access(folder.c_str(), W_OK | X_OK) == 0, ErrorCode::output, "cannot write to the folder ",
              folder.string(), ": ", std::strerror(errno));
}

void create_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  CLADE_CHECK(!error && fs::is_directory(folder, error), ErrorCode::output, "cannot create the folder ",
              folder.string(), ": ", error ? error.message() : "a file of that name exists");
}

void write_text(const fs::path& path, const std::string& text) {
  write_atomically(path, [&](const fs::path& temporary) {
    ByteWriter out(temporary, Compression::none, path);
    out.write(text.data(), text.size());
    out.close();
  });
}

}  // namespace clade
