// SPDX-License-Identifier: Apache-2.0
// Options, exit codes and signals that all programs share.
#pragma once

#include <functional>
#include <string>

#include <CLI/CLI.hpp>

#include "core/stream.h"
#include "tools/console.h"

namespace clade {

struct CommonOptions {
  std::string device = "auto";
  int threads = 0;
  bool quiet = false;
  int verbosity = 0;
  bool force = false;
  std::string command_line;  ///< as a shell would take it
};

void add_common_options(CLI::App& app, CommonOptions& options);

/// A validator for numbers in [low, high] that keeps the help short.
template <class T>
CLI::Validator in_range(T low, T high) {
  return CLI::Range(low, high).description("");
}

/// "auto", "cpu", "cuda" or "cuda:N". auto is the first CUDA device when this build can use one, else the CPU.
/// Throws Error(usage) for other words; that a CUDA device is there is checked by Stream.
Device select_device(const std::string& name, const Log& log);

/// A word as a shell takes it, in quotes where it needs them.
std::string shell_word(const std::string& word);

/// The life of a program: parses, installs the signal handlers, runs `body` and turns every exception into a message
/// and the exit code that belongs to it.
int run_program(CLI::App& app, CommonOptions& options, int argc, char** argv, const std::function<int(Console&)>& body);

/// True once SIGINT, SIGTERM or SIGHUP came; a second SIGINT or SIGTERM ends the process at once.
bool stop_requested();

}  // namespace clade
