// SPDX-License-Identifier: Apache-2.0
// Between stored voxels of any type and floats.
#pragma once

#include <cstddef>

#include "io/volume.h"

namespace clade {

/// Bytes of one stored voxel.
std::size_t voxel_bytes(VoxelType type);

/// out = slope * stored + intercept. `stored` is in the byte order of this processor.
void decode_voxels(VoxelType type, const std::byte* stored, std::size_t count, double slope, double intercept,
                   float* out);

/// stored = (value - intercept) / slope; integer types round to nearest and clamp to their range.
void encode_voxels(VoxelType type, const float* values, std::size_t count, double slope, double intercept,
                   std::byte* stored);

}  // namespace clade
