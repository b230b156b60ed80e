// SPDX-License-Identifier: Apache-2.0
// NIfTI-1 and NIfTI-2 files (.nii, .nii.gz, and pairs .hdr and .img).
#pragma once

#include <filesystem>

#include "core/log.h"
#include "core/parallel.h"
#include "io/nifti_files.h"
#include "io/volume.h"

namespace clade {

/// What voxels are that are NaN or minus infinity, as programs write where a scanner saw nothing.
enum class NanVoxels {
  refuse,
  background  ///< the least of the other voxels
};

/// Reads a 3-D scalar volume (trailing extents of 1 are accepted); of a pair, either name. Geometry in mm, order on
/// disk kept. Warns of what the header leaves open or contradicts, of slanted axes, and of what is not kept: header
/// extensions, bytes behind the voxels.
/// Throws Error(input) naming file and cause: missing, not NIfTI, truncated, 2-D or 4-D, RGB or complex, zero or
/// non-finite spacing or affine, infinite voxels, NaN unless `nan` says otherwise.
Volume read_nifti(const std::filesystem::path& path, const Log& log = {}, NanVoxels nan = NanVoxels::refuse);

/// Reads only the header; same checks of the header as read_nifti, no voxels.
Volume read_nifti_header(const std::filesystem::path& path, const Log& log = {});

/// Writes a volume whole or not at all. Integer types are rounded and clamped to their range; with `type` equal to
/// volume.stored_type the slope and intercept of the volume are used, else 1 and 0. Without a form, an affine that is
/// more than the spacing becomes the sform.
/// `pool` shares the work of compressing. Throws Error(output) if the path does not end in .nii or .nii.gz or cannot be
/// written.
void write_nifti(const std::filesystem::path& path, const Volume& volume, VoxelType type = VoxelType::float32,
                 ThreadPool* pool = nullptr);

}  // namespace clade
