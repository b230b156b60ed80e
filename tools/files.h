// SPDX-License-Identifier: Apache-2.0
// Names of inputs and outputs on the command line.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace clade {

/// Files as given; a folder stands for the .nii and .nii.gz files inside, sorted by name.
/// Throws Error(input) for a folder without any.
std::vector<std::filesystem::path> expand_inputs(const std::vector<std::string>& names);

/// Finds out before the work whether its result could be written at all.
/// Throws Error(output) when `path` exists and `force` is false, or when its folder is missing or read-only.
void check_output(const std::filesystem::path& path, bool force);

/// Creates a folder and its parents. Throws Error(output).
void create_folder(const std::filesystem::path& folder);

/// Writes a file whole or not at all. Throws Error(output).
void write_text(const std::filesystem::path& path, const std::string& text);

}  // namespace clade
