// SPDX-License-Identifier: Apache-2.0
// NIfTI-1 and NIfTI-2 files (.nii, .nii.gz).
#pragma once

#include <filesystem>

#include "core/log.h"
#include "core/parallel.h"
#include "io/volume.h"

namespace clade {

/// Reads a 3-D scalar volume (trailing extents of 1 are accepted). Geometry in mm, order on disk kept.
/// Throws Error(input) naming file and cause: missing, not NIfTI, truncated, 2-D or 4-D, RGB or complex, zero or
/// non-finite spacing or affine, NaN or infinite voxels.
Volume read_nifti(const std::filesystem::path& path, const Log& log = {});

/// Reads only the header; same checks of the header as read_nifti, no voxels.
Volume read_nifti_header(const std::filesystem::path& path, const Log& log = {});

/// Writes a volume whole or not at all. Integer types are rounded and clamped to their range; with `type` equal to
/// volume.stored_type the slope and intercept of the volume are used, else 1 and 0.
/// `pool` shares the work of compressing. Throws Error(output) if the path does not end in .nii or .nii.gz or cannot be
/// written.
void write_nifti(const std::filesystem::path& path, const Volume& volume, VoxelType type = VoxelType::float32,
                 ThreadPool* pool = nullptr);

/// True for names that end in .nii or .nii.gz.
bool has_nifti_extension(const std::filesystem::path& path);

}  // namespace clade
