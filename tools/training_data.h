// SPDX-License-Identifier: Apache-2.0
// Where the pairs of patches of a training come from.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "core/log.h"
#include "core/parallel.h"
#include "tools/training_settings.h"

namespace clade {

/// Pairs of an X and a Y patch. What an epoch holds depends on the settings and its number only.
class PairSource {
 public:
  virtual ~PairSource() = default;
  /// Makes the pairs of `epoch` (from 0) ready; returns their number.
  virtual std::int64_t begin_epoch(std::int64_t epoch, ThreadPool& pool) = 0;
  /// Writes pair `index` of the epoch: patch * patch values each.
  virtual void read_pair(std::int64_t index, float* x, float* y) const = 0;
};

struct TrainingData {
  std::unique_ptr<PairSource> pairs;
  std::optional<Plane> plane;  ///< the low-resolution plane, when it is one and the same for all volumes
};

/// Reads the volumes or the patch file of the settings. Throws Error(input) naming the file.
TrainingData open_training_data(const TrainingSettings& settings, ThreadPool& pool, const Log& log);

}  // namespace clade
