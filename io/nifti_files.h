// SPDX-License-Identifier: Apache-2.0
// Names of NIfTI files.
#pragma once

#include <filesystem>
#include <string>

namespace clade {

/// True for names that end in .nii or .nii.gz.
bool has_nifti_extension(const std::filesystem::path& path);

/// A file name without .nii, .hdr or .img and a .gz behind it, and what was taken off. Empty ending: none of these.
struct NiftiName {
  std::string stem;
  std::string ending;
};
NiftiName split_nifti_name(const std::filesystem::path& path);

/// Where header and voxels are: in one file, or in a pair.
struct NiftiFiles {
  std::filesystem::path header;
  std::filesystem::path voxels;

  bool is_pair() const { return header != voxels; }
};

/// The pair of a name that ends in .hdr or .img, each of the two with or without .gz as it is on disk; the file itself
/// for any other name.
NiftiFiles nifti_files(const std::filesystem::path& path);

}  // namespace clade
