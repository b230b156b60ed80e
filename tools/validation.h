// SPDX-License-Identifier: Apache-2.0
// Scores of the weights of a running training on whole volumes.
#pragma once

#include <string>

#include "models/super_resolve.h"

namespace clade {

/// What the network made of a volume, against its cubic interpolation.
struct ValidationScore {
  double sharpness = 0;  ///< 99th percentile of the absolute step along the slice axis, as a ratio
  double change = 0;     ///< mean absolute difference, as a share of the intensity window
};

/// Super-resolves the volume at `path` with `model`. `progress` as in super_resolve.
ValidationScore validate(const std::string& path, SuperResolver& model, const SuperResolveOptions& options,
                         const Log& log, const ProgressCallback& progress);

}  // namespace clade
