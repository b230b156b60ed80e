// SPDX-License-Identifier: Apache-2.0
#include "tools/volume_jobs.h"

#include <new>
#include <set>

#include "core/error.h"
#include "io/nifti.h"
#include "tools/files.h"

namespace clade {

namespace fs = std::filesystem;

bool names_folder(const std::vector<std::string>& inputs, const std::string& output) {
  return inputs.size() > 1 || fs::is_directory(inputs.front()) || fs::is_directory(output) || output.ends_with('/');
}

std::vector<VolumeJob> make_jobs(const std::vector<std::string>& inputs, const std::string& output,
                                 const std::string& uncertainty) {
  std::vector<VolumeJob> jobs;
  std::set<fs::path> outputs;
  for (const fs::path& input : expand_inputs(inputs)) {
    const NiftiName name = split_nifti_name(input);
    // What comes as a pair, or without a NIfTI ending, goes to a single file.
    const std::string in_folder = name.stem + "_clade" + (name.ending == ".nii" ? ".nii" : ".nii.gz");
    const auto place = [&](const char* option, const std::string& given) {
      const fs::path path = names_folder(inputs, given) ? fs::path(given) / in_folder : fs::path(given);
      CLADE_CHECK(has_nifti_extension(path), ErrorCode::usage, option, ": ", path.string(),
                  " does not end in .nii or .nii.gz");
      CLADE_CHECK(outputs.insert(path.lexically_normal()).second, ErrorCode::usage, "two volumes would be written to ",
                  path.string());
      return path;
    };
    VolumeJob job{input, place("--output", output), {}};
    if (!uncertainty.empty()) job.uncertainty = place("--uncertainty", uncertainty);
    jobs.push_back(std::move(job));
  }
  return jobs;
}

void run_jobs(const std::vector<VolumeJob>& jobs, Console& console, const std::function<void(const VolumeJob&)>& run) {
  if (jobs.size() == 1) return run(jobs.front());
  std::vector<std::string> failed;
  for (const VolumeJob& job : jobs) {
    const auto note = [&](const std::string& message) {
      console.end_progress();
      console.message(LogLevel::error, message);
      failed.push_back(job.input.string());
    };
    try {
      run(job);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::interrupted) throw;
      note(error.what());
    } catch (const std::bad_alloc&) {
      // The next one may be smaller.
      note(job.input.string() + ": out of memory");
    }
  }
  if (failed.empty()) return;
  std::string list;
  for (const std::string& name : failed) list += "\n  " + name;
  fail(ErrorCode::partial, failed.size(), " of ", jobs.size(), " inputs failed:", list);
}

}  // namespace clade
