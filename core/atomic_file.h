// SPDX-License-Identifier: Apache-2.0
// Files that appear whole or not at all.
#pragma once

#include <filesystem>
#include <functional>

namespace clade {

/// Calls `write(temporary)` with a path beside `target` that ends like it, flushes that file to disk, renames it to
/// `target` and flushes the folder. If anything fails the temporary file is removed and `target` is as it was; what a
/// killed process left behind is taken over by the next one that writes `target`.
/// Throws Error(output) when the folder cannot be written or another process is writing `target`, and whatever `write`
/// throws.
void write_atomically(const std::filesystem::path& target,
                      const std::function<void(const std::filesystem::path& temporary)>& write);

}  // namespace clade
