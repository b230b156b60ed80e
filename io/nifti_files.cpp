// SPDX-License-Identifier: Apache-2.0
#include "io/nifti_files.h"

#include <system_error>

namespace clade {

namespace {

constexpr char kGzip[] = ".gz";

}  // namespace

bool has_nifti_extension(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  return name.ends_with(".nii") || name.ends_with(".nii.gz");
}

NiftiName split_nifti_name(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  for (const std::string kind : {".nii", ".hdr", ".img"})
    for (const std::string& ending : {kind + kGzip, kind})
      if (name.ends_with(ending)) return {name.substr(0, name.size() - ending.size()), ending};
  return {name, ""};
}

NiftiFiles nifti_files(const std::filesystem::path& path) {
  const NiftiName name = split_nifti_name(path);
  if (!name.ending.starts_with(".hdr") && !name.ending.starts_with(".img")) return {path, path};
  const bool gzip = name.ending.ends_with(kGzip);
  const auto sibling = [&](const std::string& kind) {
    const std::filesystem::path plain = path.parent_path() / (name.stem + kind);
    const std::filesystem::path packed = path.parent_path() / (name.stem + kind + kGzip);
    std::error_code error;
    // The name as it was given goes first, then the other one.
    if (gzip) return std::filesystem::exists(packed, error) ? packed : plain;
    return std::filesystem::exists(packed, error) && !std::filesystem::exists(plain, error) ? packed : plain;
  };
  return {sibling(".hdr"), sibling(".img")};
}

}  // namespace clade
