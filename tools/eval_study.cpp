// SPDX-License-Identifier: Apache-2.0
#include "tools/eval_study.h"

#include <algorithm>

#include "io/nifti.h"
#include "metrics/grids.h"
#include "tools/cli.h"
#include "tools/files.h"

namespace clade {

namespace fs = std::filesystem;

namespace {

constexpr const char* kInterpolated = "interpolated";

// One file for each subject, or none at all.
std::vector<fs::path> per_subject(const std::vector<std::string>& names, std::size_t subjects, const char* option) {
  if (names.empty()) return {};
  std::vector<fs::path> files = expand_inputs(names);
  CLADE_CHECK(files.size() == subjects, ErrorCode::usage, option, ": ", files.size(), " volumes for ", subjects,
              " subjects");
  return files;
}

SubjectContext read_context(const Study& study, std::size_t subject, const Geometry& grid, const Log& log) {
  SubjectContext context;
  if (!study.acquisitions.empty()) context.acquisition = read_nifti(study.acquisitions[subject], log);
  if (!study.references.empty()) context.reference = read_nifti(study.references[subject], log);
  const auto read_labels = [&](const fs::path& path) {
    Volume labels = read_nifti(path, log);
    with_context(path.string(), [&] { check_same_grid(labels.geometry, grid); });
    return labels;
  };
  if (!study.masks.empty()) context.region = mask_region(read_labels(study.masks[subject]));
  if (!study.regions.empty()) {
    const Volume labels = read_labels(study.regions[subject]);
    context.signal = label_region(labels, 1);
    context.air = label_region(labels, 2);
  }
  return context;
}

}  // namespace

void add_method_options(CLI::App& app, StudyOptions& options) {
  const char* files = "Files";
  app.add_option("-m,--method", options.methods,
                 "NAME=PATH: a folder, or files with commas between (once for each method)")
      ->group(files);
  app.add_option("-a,--acquisition", options.acquisitions,
                 "Thick slices, one volume a subject; adds their interpolation")
      ->group(files);
}

void add_truth_options(CLI::App& app, StudyOptions& options) {
  const char* files = "Files";
  app.add_option("-r,--reference", options.references, "The truth, one volume a subject")->group(files);
  app.add_option("--mask", options.masks, "Where errors against the references count, one volume a subject")
      ->group(files);
  app.add_option("--regions", options.regions, "For the SNR: labels 1 (signal) and 2 (air), one volume a subject")
      ->group(files);
}

std::vector<StudyMethod> parse_methods(const std::vector<std::string>& texts, const char* option) {
  std::vector<StudyMethod> methods;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    CLADE_CHECK(equals != std::string::npos && equals > 0 && equals + 1 < text.size(), ErrorCode::usage, option, ": '",
                text, "', expected NAME=PATH");
    const std::string name = text.substr(0, equals);
    auto method = std::find_if(methods.begin(), methods.end(), [&](const StudyMethod& m) { return m.name == name; });
    if (method == methods.end()) method = methods.insert(methods.end(), {name, {}});
    std::vector<std::string> paths;
    for (std::size_t at = equals; at != std::string::npos;) {
      const std::size_t comma = text.find(',', at + 1);
      paths.push_back(text.substr(at + 1, comma == std::string::npos ? comma : comma - at - 1));
      at = comma;
    }
    for (fs::path& path : expand_inputs(paths)) method->volumes.push_back(std::move(path));
  }
  for (const StudyMethod& method : methods)
    CLADE_CHECK(method.volumes.size() == methods.front().volumes.size(), ErrorCode::usage, "method ", method.name,
                " has ", method.volumes.size(), " volumes, method ", methods.front().name, " ",
                methods.front().volumes.size(), "; each needs one of every subject, in the same order");
  return methods;
}

bool Study::adds_interpolation() const {
  return !acquisitions.empty() && std::none_of(methods.begin(), methods.end(),
                                               [](const StudyMethod& method) { return method.name == kInterpolated; });
}

std::vector<std::string> Study::method_names() const {
  std::vector<std::string> names;
  if (adds_interpolation()) names.push_back(kInterpolated);
  for (const StudyMethod& method : methods) names.push_back(method.name);
  return names;
}

Study make_study(const StudyOptions& options) {
  CLADE_CHECK(options.masks.empty() || !options.references.empty(), ErrorCode::usage,
              "--mask says where errors against --reference count");
  Study study;
  study.methods = parse_methods(options.methods, "--method");
  const std::vector<fs::path>& first = study.methods.front().volumes;
  study.acquisitions = per_subject(options.acquisitions, first.size(), "--acquisition");
  study.references = per_subject(options.references, first.size(), "--reference");
  study.masks = per_subject(options.masks, first.size(), "--mask");
  study.regions = per_subject(options.regions, first.size(), "--regions");
  for (const fs::path& path : study.acquisitions.empty() ? first : study.acquisitions)
    study.subjects.push_back(split_nifti_name(path).stem);
  return study;
}

void visit_study(const Study& study, const ScoringOptions& scoring, ThreadPool& pool, Console& console,
                 const VisitVolume& visit) {
  const std::size_t before = study.adds_interpolation() ? 1 : 0;
  const std::size_t subjects = study.subjects.size();
  console.begin_progress(0);
  for (std::size_t subject = 0; subject < subjects; ++subject) {
    const fs::path& first = study.methods.front().volumes[subject];
    with_context(first.string(), [&] {
      Volume volume = read_nifti(first, console.log());
      const VolumeScorer scorer(scoring, read_context(study, subject, volume.geometry, console.log()), volume, pool);
      if (before) visit(subject, 0, *scorer.interpolated(), scorer);
      for (std::size_t method = 0; method < study.methods.size(); ++method) {
        const fs::path& path = study.methods[method].volumes[subject];
        if (method > 0) volume = read_nifti(path, console.log());
        with_context(path.string(), [&] { visit(subject, method + before, volume, scorer); });
        if (stop_requested()) fail(ErrorCode::interrupted, "interrupted");
      }
    });
    console.progress(static_cast<long long>(subject + 1), static_cast<long long>(subjects),
                     [&] { return str("subject ", subject + 1, "/", subjects); });
  }
  console.end_progress();
}

ScoreSheet empty_sheet(const Study& study) {
  ScoreSheet sheet;
  sheet.methods = study.method_names();
  sheet.subjects = study.subjects;
  return sheet;
}

void add_scores(ScoreSheet& sheet, std::size_t method, const VolumeScores& scores) {
  if (sheet.metrics.empty())
    for (const Score& score : scores.scores) {
      sheet.metrics.push_back(score.metric);
      sheet.values.emplace_back(sheet.methods.size());
    }
  CLADE_CHECK(scores.scores.size() == sheet.metrics.size() &&
                  std::equal(sheet.metrics.begin(), sheet.metrics.end(), scores.scores.begin(),
                             [](const Metric& metric, const Score& score) { return metric.name == score.metric.name; }),
              ErrorCode::input, "this subject has other metrics than the first one; give --slice-axis");
  for (std::size_t metric = 0; metric < sheet.metrics.size(); ++metric)
    sheet.values[metric][method].push_back(scores.scores[metric].value);
}

}  // namespace clade
