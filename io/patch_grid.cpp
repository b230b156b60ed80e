// SPDX-License-Identifier: Apache-2.0
#include "io/patch_grid.h"

#include <algorithm>

#include "core/error.h"

namespace clade {

std::vector<std::int32_t> tile_offsets(int extent, int patch, int stride) {
  CLADE_CHECK(patch >= 1 && stride >= 1 && stride <= patch, ErrorCode::usage, "stride ", stride,
              ", expected 1 to the patch size ", patch);
  CLADE_CHECK(extent >= patch, ErrorCode::internal, "extent ", extent, " is below the patch size ", patch);
  const int last = extent - patch;
  std::vector<std::int32_t> offsets;
  for (int offset = 0; offset < last; offset += stride) offsets.push_back(offset);
  offsets.push_back(last);
  return offsets;
}

PatchGrid::PatchGrid(int slice_height, int slice_width, int patch_size, int stride)
    : height(slice_height),
      width(slice_width),
      padded_height(std::max(slice_height, patch_size)),
      padded_width(std::max(slice_width, patch_size)),
      patch(patch_size),
      rows(tile_offsets(padded_height, patch_size, stride)),
      columns(tile_offsets(padded_width, patch_size, stride)) {}

int PatchGrid::reflected(int index, int extent) {
  if (extent == 1) return 0;
  const int period = 2 * (extent - 1);
  const int phase = index % period;
  return phase < extent ? phase : period - phase;
}

}  // namespace clade
