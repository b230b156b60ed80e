// SPDX-License-Identifier: Apache-2.0
// From names on the command line of clade_sr to one job a volume.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "tools/console.h"

namespace clade {

struct VolumeJob {
  std::filesystem::path input;
  std::filesystem::path output;
  std::filesystem::path uncertainty;  ///< empty: none
};

/// Whether `output` names a folder that takes one file for each input: it is one, or ends with '/', or must be one.
bool names_folder(const std::vector<std::string>& inputs, const std::string& output);

/// One job for each input; `output` and `uncertainty` (may be empty) are files or folders that get NAME_clade.nii.gz.
/// Throws Error(input) for a folder without volumes and Error(usage) for an output that is no NIfTI file or comes
/// twice.
std::vector<VolumeJob> make_jobs(const std::vector<std::string>& inputs, const std::string& output,
                                 const std::string& uncertainty);

/// Runs all jobs, whatever happens to single ones, and then throws Error(partial) with the names of those that failed;
/// a single job keeps its own error.
void run_jobs(const std::vector<VolumeJob>& jobs, Console& console, const std::function<void(const VolumeJob&)>& run);

}  // namespace clade
