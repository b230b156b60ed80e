// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <set>

#include "io/nifti.h"
#include "tools/eval_commands.h"
#include "tools/eval_study.h"
#include "tools/files.h"
#include "tools/report_page.h"
#include "tools/report_pictures.h"

namespace clade {

namespace {

namespace fs = std::filesystem;

constexpr double kMapLimit = 0.1;    // of the span of intensities: where the colours of maps end
constexpr double kMapPixels = 0.25;  // of a map, against those of a picture

struct ReportCommand {
  StudyOptions study;
  std::string scores;
  std::vector<std::string> runs, uncertainties;
  std::string output;
  std::string display = kDefaultDisplay;
  MarkOptions marks;
  ScoringOptions scoring;
};

// Draws the subjects of a study as their volumes come by, as long as the page has room.
class StudyPictures {
 public:
  StudyPictures(const Study& study, const IntensityRule& display, std::vector<StudyMethod> uncertainties,
                Report& report)
      : study_(study), display_(display), uncertainties_(std::move(uncertainties)), report_(report) {}

  void add(std::size_t subject, std::size_t method, const Volume& volume, const VolumeScorer& scorer, const Log& log) {
    if (method == 0) begin(subject, volume, scorer);
    if (!pictures_) return;
    const std::vector<std::string> names = study_.method_names();
    const std::string& name = names[method];
    const double limit = kMapLimit * scorer.range();
    const SubjectContext& context = scorer.context();
    pictures_->add_picture(name, volume);
    if (context.acquisition) pictures_->add_difference(name, scorer.fidelity_map(volume), limit);
    for (const StudyMethod& map : uncertainties_)
      if (map.name == name) pictures_->add_uncertainty(name, read_nifti(map.volumes[subject], log), limit);
    if (method + 1 < names.size()) return;
    if (context.reference) pictures_->add_picture("reference", *context.reference);
    nlohmann::ordered_json json{{"name", study_.subjects[subject]}};
    json.update(pictures_->json());
    report_.subjects.push_back(std::move(json));
    used_ += static_cast<double>(pictures_->bytes());
    pictures_.reset();
  }

 private:
  void begin(std::size_t subject, const Volume& first, const VolumeScorer& scorer) {
    const SubjectContext& context = scorer.context();
    const double maps = static_cast<double>(uncertainties_.size()) +
                        (context.acquisition ? static_cast<double>(study_.method_names().size()) : 0.0);
    const double volumes =
        static_cast<double>(study_.method_names().size()) + (context.reference ? 1.0 : 0.0) + kMapPixels * maps;
    const double left = kPageBytes - used_;
    const double share = left / static_cast<double>(study_.subjects.size() - subject);
    int slices = slices_that_fit(first.geometry, volumes, share);
    double scale = 1.0;
    // The first subjects rather than none.
    if (slices == 0 && (used_ == 0.0 || slices_that_fit(first.geometry, volumes, left) > 0)) {
      slices = 1;
      scale = scale_that_fits(first.geometry, volumes, left);
    }
    if (slices == 0) {
      report_.without_pictures.push_back(study_.subjects[subject]);
      return;
    }
    const Volume& guide = scorer.interpolated() ? *scorer.interpolated()
                          : context.reference   ? *context.reference
                                                : first;
    pictures_.emplace(guide, scorer.slice_axis(), display_, slices, scale);
  }

  const Study& study_;
  const IntensityRule& display_;
  const std::vector<StudyMethod> uncertainties_;
  Report& report_;
  std::optional<SubjectPictures> pictures_;  // of the subject whose volumes are coming
  double used_ = 0.0;
};

void check_known(const std::vector<std::string>& methods, const std::string& name, const char* option) {
  CLADE_CHECK(std::find(methods.begin(), methods.end(), name) != methods.end(), ErrorCode::usage, option,
              ": there is no method '", name, "'");
}

std::vector<StudyMethod> uncertainty_maps(const ReportCommand& command, const Study& study) {
  std::vector<StudyMethod> maps = parse_methods(command.uncertainties, "--uncertainty");
  for (const StudyMethod& map : maps) {
    check_known(study.method_names(), map.name, "--uncertainty");
    CLADE_CHECK(map.volumes.size() == study.subjects.size(), ErrorCode::usage, "--uncertainty: ", map.volumes.size(),
                " volumes for ", study.subjects.size(), " subjects");
  }
  return maps;
}

std::vector<TrainingRun> read_runs(const ReportCommand& command, const std::vector<std::string>& methods) {
  std::vector<TrainingRun> runs;
  for (const std::string& text : command.runs) {
    const std::size_t equals = text.find('=');
    CLADE_CHECK(equals != std::string::npos && equals > 0 && equals + 1 < text.size(), ErrorCode::usage, "--run: '",
                text, "', expected NAME=RUN_DIR");
    check_known(methods, text.substr(0, equals), "--run");
    runs.push_back(read_run(text.substr(0, equals), text.substr(equals + 1)));
  }
  return runs;
}

TextTable settings_table(const ReportCommand& command, const Study& study) {
  const ScoringOptions& scoring = command.scoring;
  TextTable table{{"setting", "value"}};
  if (!command.scores.empty()) {
    table.push_back({"scores from", command.scores});
  } else {
    table.insert(table.end(), {{"intensity", scoring.intensity},
                               {"slice profile", scoring.profile},
                               {"slice thickness", scoring.thickness ? str(*scoring.thickness, " mm") : "the spacing"},
                               {"slice axis", scoring.slice_axis.value_or("that of the acquisition")},
                               {"stride", std::to_string(scoring.stride)},
                               {"edges", str("up to ", scoring.edges)}});
  }
  const auto files = [&](const std::string& name, const std::vector<fs::path>& paths) {
    std::string lines;
    for (const fs::path& path : paths) lines += (lines.empty() ? "" : "\n") + path.string();
    if (!paths.empty()) table.push_back({name, lines});
  };
  for (const StudyMethod& method : study.methods) files("volumes of " + method.name, method.volumes);
  files("acquisitions", study.acquisitions);
  files("references", study.references);
  files("masks", study.masks);
  files("regions", study.regions);
  return table;
}

// Scores, unless they are known already, and pictures.
void visit_volumes(const ReportCommand& command, const Study& study, const CommonOptions& common, Report& report,
                   Console& console) {
  const IntensityRule display = IntensityRule::parse(command.display);
  ThreadPool pool(common.threads);
  StudyPictures pictures(study, display, uncertainty_maps(command, study), report);
  visit_study(study, command.scoring, pool, console,
              [&](std::size_t subject, std::size_t method, const Volume& volume, const VolumeScorer& scorer) {
                if (command.scores.empty()) add_scores(report.sheet, method, scorer.score(volume));
                pictures.add(subject, method, volume, scorer, console.log());
              });
}

void run(const ReportCommand& command, const CommonOptions& common, Console& console) {
  CLADE_CHECK(!command.study.methods.empty() || !command.scores.empty(), ErrorCode::usage,
              "give --method or --scores, or both");
  check_output(command.output, common.force);
  Report report;
  report.command_line = common.command_line;
  report.marks = command.marks;
  Study study;
  if (!command.study.methods.empty()) study = make_study(command.study);
  report.sheet = empty_sheet(study);
  if (!command.scores.empty()) {
    report.sheet = with_context(command.scores, [&] { return sheet_from_json(read_text(command.scores)); });
    for (const std::string& name : study.method_names()) check_known(report.sheet.methods, name, "--scores");
  }
  // Errors of usage before the work.
  command.marks.against_in(report.sheet);
  report.runs = read_runs(command, report.sheet.methods);
  report.settings = settings_table(command, study);
  if (!study.methods.empty()) visit_volumes(command, study, common, report, console);
  write_text(command.output, report_html(report));
}

}  // namespace

EvalCommand add_report_command(CLI::App& app) {
  const auto command = std::make_shared<ReportCommand>();
  ReportCommand& c = *command;
  CLI::App* report =
      app.add_subcommand("report", "A page with slices, scores and training of several methods, in one file (.html)");
  const char* files = "Files";
  add_method_options(*report, c.study);
  add_truth_options(*report, c.study);
  report->add_option("--scores", c.scores, "What compare --json wrote, instead of scoring the volumes")->group(files);
  report->add_option("--run", c.runs, "NAME=RUN_DIR: how a method was trained (once for each method)")->group(files);
  report
      ->add_option("--uncertainty", c.uncertainties,
                   "NAME=PATH: maps of a method's uncertainty, in intensities, as --method")
      ->group(files);
  report->add_option("-o,--output", c.output, "The page (.html)")->required()->group(files);
  report
      ->add_option("--display", c.display,
                   "Black and white of the slices: minmax, percentile:LO,HI or window:LO,HI of the interpolation, else "
                   "of the reference, else of the first volume")
      ->capture_default_str()
      ->group("Pictures");
  add_mark_options(*report, c.marks);
  add_scoring_options(*report, c.scoring);
  return {report, [command](const CommonOptions& common, Console& console) { run(*command, common, console); }};
}

}  // namespace clade
