// SPDX-License-Identifier: Apache-2.0
// Watches a training for the two ways in which adversarial trainings die.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/log.h"
#include "models/trainer.h"

namespace clade {

/// Running averages of the losses, and warnings when the numbers show a training that cannot recover by itself.
class TrainingMonitor {
 public:
  TrainingMonitor(AdversarialLoss adversarial, Log log) : adversarial_(adversarial), log_(std::move(log)) {}

  void observe(std::int64_t step, const StepLosses& losses);

  /// Running averages in a few words, for the progress line.
  std::string summary() const;

 private:
  // One thing that may be wrong, with the step of the last warning about it.
  struct Alarm {
    const char* tag;
    bool active = false;
    std::int64_t warned = -1;
  };
  void update(Alarm& alarm, bool active, std::int64_t step, const std::string& message);

  AdversarialLoss adversarial_;
  Log log_;
  std::int64_t observed_ = 0;
  StepLosses average_;
  Alarm collapse_x_{"G_X collapsed"};
  Alarm collapse_y_{"G_Y collapsed"};
  Alarm won_x_{"D_X has won"};
  Alarm won_y_{"D_Y has won"};
};

}  // namespace clade
