// SPDX-License-Identifier: Apache-2.0
// The subcommands of clade_eval, one file each.
#pragma once

#include <functional>

#include "tools/cli.h"

namespace clade {

/// A subcommand and what it does when it was chosen.
struct EvalCommand {
  CLI::App* app = nullptr;
  std::function<void(const CommonOptions&, Console&)> run;
};

EvalCommand add_degrade_command(CLI::App& app);
EvalCommand add_score_command(CLI::App& app);
EvalCommand add_compare_command(CLI::App& app);
EvalCommand add_report_command(CLI::App& app);
EvalCommand add_reader_command(CLI::App& app);
EvalCommand add_study_command(CLI::App& app);

}  // namespace clade
