// SPDX-License-Identifier: Apache-2.0
// Scores of the weights of a running training on whole volumes.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "models/super_resolve.h"

namespace clade {

/// Super-resolves the volume at `path` with `model` and returns all scores of clade_eval that need no truth, by name;
/// `piqe` is that of the low-resolution plane, null where it could not be measured. `progress` as in super_resolve.
nlohmann::ordered_json validate(const std::string& path, SuperResolver& model, const SuperResolveOptions& options,
                                const Log& log, const ProgressCallback& progress);

}  // namespace clade
