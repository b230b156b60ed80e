// SPDX-License-Identifier: Apache-2.0
#include <iostream>
#include <memory>
#include <random>

#include "io/nifti.h"
#include "metrics/grids.h"
#include "tools/eval_commands.h"
#include "tools/eval_study.h"
#include "tools/files.h"
#include "tools/html.h"
#include "tools/page_assets.h"
#include "tools/reader_study.h"
#include "tools/report_pictures.h"

namespace clade {

namespace {

namespace fs = std::filesystem;

struct ReaderCommand {
  StudyOptions study;
  std::string output, key;
  std::string question = "Overall quality: 1 is best; equal ranks are allowed.";
  std::string display = kDefaultDisplay;
  std::optional<std::uint64_t> seed;
  std::string unblind;
  std::vector<std::string> answers;
};

// Pictures of one case, under their letters.
nlohmann::ordered_json draw_case(const Study& study, const ReaderKey::Case& c, const IntensityRule& display,
                                 ThreadPool& pool, const Log& log) {
  const std::size_t before = study.adds_interpolation() ? 1 : 0;
  const fs::path& first_path = study.methods.front().volumes[c.subject];
  const Volume first = read_nifti(first_path, log);
  std::optional<Volume> interpolated;
  std::optional<int> slice_axis;
  if (!study.acquisitions.empty()) {
    const Volume acquisition = read_nifti(study.acquisitions[c.subject], log);
    slice_axis =
        with_context(first_path.string(), [&] { return find_resampled_axis(first.geometry, acquisition.geometry); });
    interpolated = interpolate(acquisition, *slice_axis, first.geometry, pool);
  }
  const double bytes = kPageBytes / static_cast<double>(study.subjects.size());
  // However many cases there are, each has its pictures.
  const int slices = std::max(1, slices_that_fit(first.geometry, static_cast<double>(c.methods.size()), bytes));
  SubjectPictures pictures(interpolated ? *interpolated : first, slice_axis, display, slices);
  for (std::size_t i = 0; i < c.methods.size(); ++i) {
    if (c.methods[i] < before) {
      pictures.add_picture(picture_code(i), *interpolated);
      continue;
    }
    const fs::path& path = study.methods[c.methods[i] - before].volumes[c.subject];
    const Volume volume = read_nifti(path, log);
    with_context(path.string(), [&] { check_same_grid(volume.geometry, first.geometry); });
    pictures.add_picture(picture_code(i), volume);
  }
  return pictures.json();
}

// Nothing in the page tells methods or subjects, nor does it hold the seed.
std::string reader_page(const ReaderCommand& command, const ReaderKey& key, nlohmann::ordered_json cases) {
  Page page;
  page.title = "Reader study";
  page.body =
      "<header>\n<h1>Reader study</h1>\n<p class=\"notice\">For research use only; not a medical device.</p>\n"
      "</header>\n<main id=\"study\"></main>\n<noscript><p>This page needs JavaScript; nothing is loaded from "
      "elsewhere.</p></noscript>\n";
  page.data = {{"study", key.study}, {"question", command.question}, {"cases", std::move(cases)}};
  page.scripts = {kViewerScript, kReaderScript};
  return html_document(page);
}

void write_study(const ReaderCommand& command, const CommonOptions& common, Console& console) {
  CLADE_CHECK(!command.study.methods.empty() && !command.output.empty() && !command.key.empty(), ErrorCode::usage,
              "give --method, --output and --key, or --unblind");
  CLADE_CHECK(command.answers.empty(), ErrorCode::usage, "answers need --unblind");
  const IntensityRule display = IntensityRule::parse(command.display);
  const Study study = make_study(command.study);
  CLADE_CHECK(study.method_names().size() >= 2, ErrorCode::usage, "one method alone cannot be ranked");
  for (const std::string& output : {command.output, command.key}) check_output(output, common.force);
  const std::uint64_t seed = command.seed ? *command.seed : std::random_device{}();
  const ReaderKey key = draw_reader_key(study.method_names(), study.subjects, seed);
  ThreadPool pool(common.threads);
  nlohmann::ordered_json cases = nlohmann::ordered_json::array();
  console.begin_progress(0);
  for (const ReaderKey::Case& c : key.cases) {
    cases.push_back(draw_case(study, c, display, pool, console.log()));
    console.progress(static_cast<long long>(cases.size()), static_cast<long long>(key.cases.size()),
                     [&] { return str("case ", cases.size(), "/", key.cases.size()); });
    if (stop_requested()) fail(ErrorCode::interrupted, "interrupted");
  }
  console.end_progress();
  // A page without its key would be worth nothing.
  write_text(command.key, to_json(key, seed).dump(2) + "\n");
  write_text(command.output, reader_page(command, key, std::move(cases)));
}

void unblind_answers(const ReaderCommand& command, const CommonOptions& common) {
  CLADE_CHECK(command.study.methods.empty() && command.study.acquisitions.empty() && command.key.empty(),
              ErrorCode::usage, "--unblind takes answers and --output only");
  CLADE_CHECK(!command.answers.empty() && !command.output.empty(), ErrorCode::usage,
              "--unblind needs the answers of readers and --output");
  check_output(command.output, common.force);
  const ReaderKey key = with_context(command.unblind, [&] { return parse_reader_key(read_text(command.unblind)); });
  std::vector<ReaderAnswers> readers;
  TextTable means{{"mean rank"}};
  means[0].insert(means[0].end(), key.methods.begin(), key.methods.end());
  for (const std::string& path : command.answers) {
    readers.push_back(with_context(path, [&] { return unblind(parse_csv(read_text(path)), key); }));
    means.push_back({readers.back().reader});
    for (std::size_t method = 0; method < key.methods.size(); ++method) {
      double sum = 0.0;
      for (const auto& subject : readers.back().ranks) sum += subject[method];
      means.back().push_back(fixed(sum / static_cast<double>(key.subjects.size()), 2));
    }
  }
  write_text(command.output, to_csv(rank_table(readers, key)));
  print_table(std::cout, means);
}

void run(const ReaderCommand& command, const CommonOptions& common, Console& console) {
  if (command.unblind.empty()) {
    write_study(command, common, console);
  } else {
    unblind_answers(command, common);
  }
}

}  // namespace

EvalCommand add_reader_command(CLI::App& app) {
  const auto command = std::make_shared<ReaderCommand>();
  ReaderCommand& c = *command;
  CLI::App* reader =
      app.add_subcommand("reader", "A page on which readers rank methods blindly (.html), and what their answers mean");
  const char* files = "Files";
  add_method_options(*reader, c.study);
  reader->add_option("-o,--output", c.output, "The page (.html); with --unblind the table of ranks (.csv)")
      ->group(files);
  reader->add_option("--key", c.key, "Which method is behind which letter (.json): not for readers")->group(files);
  reader->add_option("--unblind", c.unblind, "A key: joins it with answers to a table for compare --table")
      ->group(files);
  reader->add_option("answers", c.answers, "With --unblind: what readers saved, a file each (.csv)")->group(files);
  const char* page = "Page";
  reader->add_option("--question", c.question, "What to rank by")->capture_default_str()->group(page);
  reader
      ->add_option("--display", c.display,
                   "Black and white of the slices: minmax, percentile:LO,HI or window:LO,HI of the interpolation, else "
                   "of the first volume")
      ->capture_default_str()
      ->group(page);
  reader->add_option("--seed", c.seed, "Of the order [random; it is in the key]")->group(page);
  return {reader, [command](const CommonOptions& common, Console& console) { run(*command, common, console); }};
}

}  // namespace clade
