// SPDX-License-Identifier: Apache-2.0
// A training from its first step, or from its last checkpoint, to its end.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "core/stream.h"
#include "tools/console.h"
#include "tools/run_folder.h"
#include "tools/training_settings.h"

namespace clade {

/// Reads RUN_DIR/config.json. Throws Error(model) naming the file.
TrainingSettings read_config(const RunFolder& folder);

/// Starts the run in `folder` and trains to its end; files of an earlier run go. A checkpoint is made every
/// `checkpoint_minutes` (0: after every step), after every epoch, at the end, and when a signal asks to stop.
/// Throws Error(interrupted) after that, and Error(numerical) when a loss is not finite; the last checkpoint stays.
void start_training(const TrainingSettings& settings, const RunFolder& folder, double checkpoint_minutes,
                    Stream& stream, Console& console);

/// The same from the last checkpoint in `folder` on: all files get the bytes of a run that was never interrupted.
void resume_training(const TrainingSettings& settings, const RunFolder& folder, double checkpoint_minutes,
                     Stream& stream, Console& console);

}  // namespace clade
