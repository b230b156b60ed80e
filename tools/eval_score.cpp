// SPDX-License-Identifier: Apache-2.0
#include <charconv>
#include <iostream>
#include <memory>
#include <set>

#include "io/nifti.h"
#include "metrics/grids.h"
#include "tools/eval_commands.h"
#include "tools/eval_scores.h"
#include "tools/eval_table.h"
#include "tools/files.h"
#include "tools/score_file.h"

namespace clade {

namespace {

namespace fs = std::filesystem;

struct ScoreCommand {
  std::vector<std::string> inputs;
  std::string acquisition, reference, mask, regions;
  std::string signal_box, air_box;
  std::vector<std::string> edge_profiles;
  std::string json, csv, fidelity_maps;
  ScoringOptions scoring;
};

// "x,y,z,x,y,z"
Profile parse_profile(const std::string& text) {
  double values[6] = {};
  const char* at = text.data();
  const char* const end = at + text.size();
  for (int i = 0; i < 6; ++i) {
    const auto [stop, error] = std::from_chars(at, end, values[i]);
    CLADE_CHECK(error == std::errc{} && (i < 5 ? stop != end && *stop == ',' : stop == end), ErrorCode::usage,
                "--edge-profile: '", text, "', expected x,y,z,x,y,z in mm");
    at = stop + 1;
  }
  return {{values[0], values[1], values[2]}, {values[3], values[4], values[5]}};
}

struct Input {
  fs::path path;
  std::string name;
};

std::vector<Input> named_inputs(const std::vector<std::string>& names) {
  std::vector<Input> inputs;
  std::set<std::string> taken;
  for (const fs::path& path : expand_inputs(names)) {
    std::string name = split_nifti_name(path).stem;
    if (!taken.insert(name).second) taken.insert(name = path.string());
    inputs.push_back({path, name});
  }
  return inputs;
}

SubjectContext read_context(const ScoreCommand& command, const Geometry& grid, const Log& log) {
  SubjectContext context;
  if (!command.acquisition.empty()) context.acquisition = read_nifti(command.acquisition, log);
  if (!command.reference.empty()) context.reference = read_nifti(command.reference, log);
  const auto read_mask = [&](const std::string& path, const auto& use) {
    const Volume mask = read_nifti(path, log);
    with_context(path, [&] {
      check_same_grid(mask.geometry, grid);
      use(mask);
    });
  };
  if (!command.mask.empty()) read_mask(command.mask, [&](const Volume& mask) { context.region = mask_region(mask); });
  if (!command.regions.empty())
    read_mask(command.regions, [&](const Volume& mask) {
      context.signal = label_region(mask, 1);
      context.air = label_region(mask, 2);
    });
  if (!command.signal_box.empty()) {
    context.signal = box_region(grid, Box::parse(command.signal_box));
    context.air = box_region(grid, Box::parse(command.air_box));
  }
  for (const std::string& text : command.edge_profiles) context.profiles.push_back(parse_profile(text));
  return context;
}

void print(const std::vector<NamedScores>& columns) {
  TextTable table{{"metric"}};
  for (const NamedScores& column : columns) table[0].push_back(column.name);
  table[0].push_back("better");
  const auto& metrics = columns.front().scores.scores;
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    const Metric& metric = metrics[i].metric;
    std::vector<std::string> row{metric.title()};
    for (const NamedScores& column : columns) row.push_back(fixed(column.scores.scores[i].value, metric.decimals));
    row.push_back(better_text(metric.better));
    table.push_back(std::move(row));
  }
  print_table(std::cout, table);
}

std::string csv_of(const std::vector<NamedScores>& columns) {
  TextTable table{{"volume"}};
  for (const Score& score : columns.front().scores.scores) table[0].push_back(score.metric.name);
  for (const NamedScores& column : columns) {
    table.push_back({column.name});
    for (const Score& score : column.scores.scores) table.back().push_back(exact(score.value));
  }
  return to_csv(table);
}

void check_usage(const ScoreCommand& command) {
  CLADE_CHECK(command.signal_box.empty() == command.air_box.empty(), ErrorCode::usage,
              "--signal-box and --air-box go together");
  CLADE_CHECK(command.mask.empty() || !command.reference.empty(), ErrorCode::usage,
              "--mask says where errors against --reference count");
  CLADE_CHECK(command.fidelity_maps.empty() || !command.acquisition.empty(), ErrorCode::usage,
              "--fidelity-maps needs --acquisition");
}

void run(const ScoreCommand& command, const CommonOptions& common, Console& console) {
  check_usage(command);
  const std::vector<Input> inputs = named_inputs(command.inputs);
  const auto map_path = [&](const Input& input) {
    return fs::path(command.fidelity_maps) / (split_nifti_name(input.path).stem + "_fidelity.nii.gz");
  };
  if (!command.fidelity_maps.empty()) {
    create_folder(command.fidelity_maps);
    std::set<fs::path> maps;
    for (const Input& input : inputs) {
      CLADE_CHECK(maps.insert(map_path(input)).second, ErrorCode::usage, "two maps would be written to ",
                  map_path(input).string());
      check_output(map_path(input), common.force);
    }
  }
  for (const std::string& output : {command.json, command.csv})
    if (!output.empty()) check_output(output, common.force);

  ThreadPool pool(common.threads);
  Volume volume = read_nifti(inputs.front().path, console.log());
  const VolumeScorer scorer(command.scoring, read_context(command, volume.geometry, console.log()), volume, pool);
  std::vector<NamedScores> columns;
  if (scorer.interpolated()) columns.push_back({"interpolated", scorer.score(*scorer.interpolated())});
  for (const Input& input : inputs) {
    if (&input != &inputs.front()) volume = read_nifti(input.path, console.log());
    with_context(input.path.string(), [&] { columns.push_back({input.name, scorer.score(volume)}); });
    if (!command.fidelity_maps.empty())
      write_nifti(map_path(input), scorer.fidelity_map(volume), VoxelType::float32, &pool);
    if (stop_requested()) fail(ErrorCode::interrupted, "interrupted");
  }
  if (!command.csv.empty()) write_text(command.csv, csv_of(columns));
  if (!command.json.empty()) write_text(command.json, to_json(columns).dump(2) + "\n");
  print(columns);
}

}  // namespace

EvalCommand add_score_command(CLI::App& app) {
  const auto command = std::make_shared<ScoreCommand>();
  ScoreCommand& c = *command;
  CLI::App* score = app.add_subcommand("score", "Metrics of volumes of one subject on one grid, side by side");
  const char* files = "Files";
  score->add_option("-i,--input", c.inputs, "Volumes (.nii, .nii.gz) or folders of them")->required()->group(files);
  score->add_option("-a,--acquisition", c.acquisition, "The thick slices they were made from; adds their interpolation")
      ->group(files);
  score->add_option("-r,--reference", c.reference, "The truth, on the grid of the volumes")->group(files);
  score->add_option("--mask", c.mask, "Errors against the reference count where this volume is not 0")->group(files);
  CLI::Option* regions =
      score->add_option("--regions", c.regions, "For the SNR: label 1 is signal, label 2 is air")->group(files);
  score->add_option("--json", c.json, "Write scores and what stands behind them")->group(files);
  score->add_option("--csv", c.csv, "Write scores, one line a volume")->group(files);
  score
      ->add_option("--fidelity-maps", c.fidelity_maps,
                   "Folder for NAME_fidelity.nii.gz: volume degraded to thick slices, less the acquisition")
      ->group(files);
  add_scoring_options(*score, c.scoring);
  score->add_option("--signal-box", c.signal_box, "For the SNR: voxels i0:i1,j0:j1,k0:k1, the ends not included")
      ->excludes(regions)
      ->group("Metrics");
  score->add_option("--air-box", c.air_box, "The same for air")->excludes(regions)->group("Metrics");
  score
      ->add_option("--edge-profile", c.edge_profiles,
                   "A line across an edge: x,y,z,x,y,z in world mm (may be repeated)")
      ->group("Metrics");
  return {score, [command](const CommonOptions& common, Console& console) { run(*command, common, console); }};
}

}  // namespace clade
