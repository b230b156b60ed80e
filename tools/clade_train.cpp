// SPDX-License-Identifier: Apache-2.0
// clade_train: learns super-resolution from the volumes themselves, or from a file of patches.
#include <cmath>

#include "io/nifti.h"
#include "tools/cli.h"
#include "tools/files.h"
#include "tools/training_run.h"

namespace {

using namespace clade;

// What was given on the command line; empty where nothing was.
struct TrainingOptions {
  std::vector<std::string> inputs;
  std::string output;
  std::string preset = "mri";
  bool paper = false;
  std::optional<std::string> norm, gradient_form, adversarial, upsample, intensity, plane, slice_axis, precision;
  std::optional<double> lambda_cycle, lambda_identity, lambda_gradient, learning_rate, ema, clip_gradient, range,
      foreground;
  std::optional<int> batch, pool, patch, patches_per_slice, base_channels, residual_blocks;
  std::optional<std::uint64_t> seed;
  std::optional<std::int64_t> epochs, steps;
  std::string init, patches, keep_best;
  std::vector<std::string> validate;
  bool no_shuffle = false;
  bool nan_is_background = false;
  bool resume = false;
  double checkpoint_minutes = 5.0;
};

constexpr const char* kData = "Data";
constexpr const char* kTraining = "Training";
constexpr const char* kNetwork = "Network and losses";

void add_training_options(CLI::App& app, TrainingOptions& o) {
  const CLI::Validator at_least_one = in_range(1, 1 << 30);
  const CLI::Validator share = in_range(0.0, 1.0);
  app.add_option("-i,--input", o.inputs, "Volumes (.nii, .nii.gz, .hdr) or folders of them")->group(kData);
  app.add_option("-o,--output", o.output, "Folder of the run")->required()->group(kData);
  app.add_option("--patches", o.patches, "Instead of volumes: safetensors file with x, y [N,1,H,W] in [-1,1]")
      ->group(kData);
  app.add_flag("--no-shuffle", o.no_shuffle, "Pairs (x[i], y[i]) of --patches in file order, epoch after epoch")
      ->group(kData);
  app.add_flag("--nan-is-background", o.nan_is_background, "Take voxels of -i that are NaN for the least of the others")
      ->group(kData);
  app.add_option("--intensity", o.intensity, "minmax, percentile:LO,HI or window:LO,HI [by preset]")->group(kData);
  app.add_option("--range", o.range, "Intensities are mapped to [-R, R] [0.9]")
      ->check(in_range(0.01, 1.0))
      ->group(kData);
  app.add_option("--plane", o.plane, "Low-resolution plane: sagittal, coronal or axial [the first that is one]")
      ->group(kData);
  app.add_option("--slice-axis", o.slice_axis, "Axis across the slices: i, j or k [largest spacing]")->group(kData);
  app.add_option("--patch", o.patch, "Patch size in pixels, a multiple of 4 [32]")->group(kData);
  app.add_option("--patches-per-slice", o.patches_per_slice, "Patches from each slice per epoch [4]")
      ->check(at_least_one)
      ->group(kData);
  app.add_option("--foreground", o.foreground, "Least share of a patch's pixels above air, 0 = any patch [0.5]")
      ->check(share)
      ->group(kData);

  app.add_option("--preset", o.preset, "mri: lambdas 1,1,5; ct: lambdas 1,1,10, stride 6, window -1000,1000")
      ->check(CLI::IsMember({"mri", "ct"}))
      ->capture_default_str()
      ->group(kTraining);
  app.add_flag("--paper", o.paper, "All as printed in the paper: bce, combined, transposed, foreground 0, range 1")
      ->group(kTraining);
  app.add_option("--epochs", o.epochs, "Epochs [10, unless --steps is given]")->check(at_least_one)->group(kTraining);
  app.add_option("--steps", o.steps, "End after this many steps in all")->check(at_least_one)->group(kTraining);
  app.add_option("--batch", o.batch, "Pairs per step [1]")->check(in_range(1, 1024))->group(kTraining);
  app.add_option("--learning-rate", o.learning_rate, "Of Adam, fixed [5e-5; 2e-4 with --init or --paper]")
      ->check(CLI::PositiveNumber)
      ->group(kTraining);
  app.add_option("--ema", o.ema,
                 "Decay of the running average of the generators' weights that models hold, 0 = none [0.999; 0 with "
                 "--init, --patches or --paper]")
      ->check(CLI::Range(0.0, 0.999999))
      ->group(kTraining);
  app.add_option("--clip-gradient", o.clip_gradient,
                 "Largest norm of the gradients of both generators, and of both discriminators, 0 = any [0]")
      ->check(CLI::Range(0.0, 1e30))
      ->group(kTraining);
  app.add_option("--pool", o.pool, "Old fakes kept for the discriminators, 0 = off [0]")
      ->check(in_range(0, 10000))
      ->group(kTraining);
  app.add_option("--precision", o.precision, "Convolutions on a CUDA device: tf32 or fp32 (slower) [tf32]")
      ->group(kTraining);
  app.add_option("--seed", o.seed, "Of all random numbers [0]")->group(kTraining);
  app.add_option("--init", o.init, "Model to start from; its tensors set the network")->group(kTraining);
  app.add_option("--validate", o.validate,
                 "Volumes super-resolved after each epoch: PIQE, edge sharpness, fidelity and more in validation.jsonl")
      ->group(kTraining);
  app.add_option("--keep-best", o.keep_best,
                 "best.safetensors holds the validated epoch with the lowest PIQE: piqe, or piqe:PERCENT of those "
                 "whose fidelity_rmse is at most that [none]")
      ->group(kTraining);

  app.add_option("--norm", o.norm, "demod (CLADE) or instance (conventional CycleGAN) [demod]")->group(kNetwork);
  app.add_option("--upsample", o.upsample, "resize or transposed [resize]")->group(kNetwork);
  app.add_option("--base-channels", o.base_channels, "Channels of the first layer [64]")
      ->check(in_range(1, 512))
      ->group(kNetwork);
  app.add_option("--residual-blocks", o.residual_blocks, "[6]")->check(in_range(0, 64))->group(kNetwork);
  app.add_option("--adversarial", o.adversarial, "lsgan or bce [lsgan]")->group(kNetwork);
  app.add_option("--gradient-form", o.gradient_form, "separate or combined [separate]")->group(kNetwork);
  app.add_option("--lambda-cycle", o.lambda_cycle, "[1]")->check(CLI::NonNegativeNumber)->group(kNetwork);
  app.add_option("--lambda-identity", o.lambda_identity, "[1]")->check(CLI::NonNegativeNumber)->group(kNetwork);
  app.add_option("--lambda-gradient", o.lambda_gradient, "[mri 5, ct 10]")
      ->check(CLI::NonNegativeNumber)
      ->group(kNetwork);
}

void add_run_options(CLI::App& app, TrainingOptions& o) {
  const char* group = "Run";
  app.add_flag("--resume", o.resume,
               "Go on with the run in the folder; of the above only --epochs and --steps may change")
      ->group(group);
  app.add_option("--checkpoint-minutes", o.checkpoint_minutes, "Minutes between checkpoints, 0 = after every step")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str()
      ->group(group);
}

template <class T, class U>
void assign(T& setting, const std::optional<U>& option) {
  if (option) setting = *option;
}

std::string absolute_path(const std::filesystem::path& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

std::vector<std::string> absolute_inputs(const std::vector<std::string>& names) {
  std::vector<std::string> paths;
  for (const std::filesystem::path& path : expand_inputs(names)) paths.push_back(absolute_path(path));
  return paths;
}

void set_run_length(TrainingSettings& settings, const TrainingOptions& o) {
  settings.epochs = o.epochs;
  settings.steps = o.steps;
  if (!settings.epochs && !settings.steps) settings.epochs = 10;
}

// The tensors of --init decide the network; an option that says otherwise is a mistake.
void take_network(TrainingSettings& settings, const TrainingOptions& o) {
  const TensorFile file = read_safetensors(o.init);
  GeneratorConfig& network = settings.train.generator;
  network = with_context(o.init, [&] {
    const Norm norm = o.norm ? network.norm : ModelMetadata::from_strings(file.metadata).norm.value_or(Norm::demod);
    return generator_config(file.tensors, "generator_x", norm);
  });
  CLADE_CHECK(o.base_channels.value_or(network.base_channels) == network.base_channels &&
                  o.residual_blocks.value_or(network.residual_blocks) == network.residual_blocks &&
                  o.upsample.value_or(name(network.upsampling)) == name(network.upsampling),
              ErrorCode::usage, "the network of ", o.init, " has ", network.base_channels, " base channels, ",
              network.residual_blocks, " residual blocks and ", name(network.upsampling), " upsampling");
}

TrainingSettings make_settings(const TrainingOptions& o) {
  TrainingSettings s;
  static_cast<TrainingRecipe&>(s) = preset_recipe(o.preset, o.paper);
  TrainConfig& train = s.train;
  if (o.norm) train.generator.norm = parse_norm(*o.norm);
  if (o.upsample) train.generator.upsampling = parse_upsampling(*o.upsample);
  assign(train.generator.base_channels, o.base_channels);
  assign(train.generator.residual_blocks, o.residual_blocks);
  if (!o.init.empty()) take_network(s, o);
  if (o.adversarial) train.loss.adversarial = parse_adversarial(*o.adversarial);
  if (o.gradient_form) train.loss.gradient_form = parse_gradient_form(*o.gradient_form);
  assign(train.loss.lambda_cycle, o.lambda_cycle);
  assign(train.loss.lambda_identity, o.lambda_identity);
  assign(train.loss.lambda_gradient, o.lambda_gradient);
  // The smaller default is for random weights only.
  if (!o.init.empty()) train.learning_rate = kPaperLearningRate;
  // So is the average; and who gives the patches wants the steps as they are.
  if (!o.init.empty() || !o.patches.empty()) train.ema = 0.0;
  assign(train.learning_rate, o.learning_rate);
  assign(train.batch, o.batch);
  assign(train.ema, o.ema);
  assign(train.clip, o.clip_gradient);
  assign(train.pool, o.pool);
  assign(train.patch, o.patch);
  assign(train.seed, o.seed);
  if (o.precision) {
    train.precision = parse_precision(*o.precision);
    CLADE_CHECK(train.precision != Precision::bf16, ErrorCode::usage,
                "--precision: bf16 is for clade_sr; train in tf32 or fp32");
  }
  assign(s.patches_per_slice, o.patches_per_slice);
  assign(s.foreground, o.foreground);
  assign(s.range, o.range);
  if (o.intensity) s.intensity = IntensityRule::parse(*o.intensity);
  if (o.plane) s.plane = parse_plane(*o.plane);
  if (o.slice_axis) s.slice_axis = parse_axis(*o.slice_axis);
  if (!o.init.empty()) s.init = absolute_path(o.init);
  if (!o.patches.empty()) s.patches = absolute_path(o.patches);
  s.inputs = absolute_inputs(o.inputs);
  s.validate = absolute_inputs(o.validate);
  if (!o.keep_best.empty()) s.keep_best = BestRule::parse(o.keep_best);
  CLADE_CHECK(!s.keep_best || !s.validate.empty(), ErrorCode::usage,
              "--keep-best chooses among the scores of --validate");
  s.shuffle = !o.no_shuffle;
  s.nan_is_background = o.nan_is_background;
  set_run_length(s, o);
  // The discriminator takes a patch down to 1/8 and two pixels more.
  CLADE_CHECK(train.patch >= 24 && train.patch % 4 == 0, ErrorCode::usage, "--patch: ", train.patch,
              " is not a multiple of 4 of at least 24");
  return s;
}

void check_usage(const CLI::App& app, const TrainingOptions& o) {
  if (!o.resume) {
    CLADE_CHECK(o.inputs.empty() != o.patches.empty(), ErrorCode::usage,
                "either volumes (--input) or a file of patches (--patches) is needed");
    CLADE_CHECK(!o.nan_is_background || o.patches.empty(), ErrorCode::usage,
                "--nan-is-background has no meaning for --patches");
    CLADE_CHECK(!o.no_shuffle || !o.patches.empty(), ErrorCode::usage, "--no-shuffle goes with --patches only");
    return;
  }
  for (const CLI::Option* option : app.get_options()) {
    const std::string group = option->get_group();
    const std::string name = option->get_name();
    const bool fixed = (group == kData && name != "--output" && name != "--input") ||
                       (group == kTraining && name != "--epochs" && name != "--steps") || group == kNetwork;
    CLADE_CHECK(!fixed || option->count() == 0, ErrorCode::usage, name,
                " cannot change with --resume: the run keeps its settings");
  }
}

void train(const TrainingOptions& options, const CommonOptions& common, Console& console) {
  const Device device = select_device(common.device, console.log());
  ThreadPool pool(common.threads);
  Stream stream(device, pool);
  if (options.resume) {
    CLADE_CHECK(std::filesystem::is_directory(options.output), ErrorCode::model,
                "no run to resume: there is no folder ", options.output);
    const RunFolder folder(options.output);
    folder.remove_temporaries();
    TrainingSettings settings = read_config(folder);
    CLADE_CHECK(options.inputs.empty() || absolute_inputs(options.inputs) == settings.inputs, ErrorCode::usage,
                "--input: the run was started with other volumes");
    if (options.epochs || options.steps) set_run_length(settings, options);
    resume_training(settings, folder, options.checkpoint_minutes, stream, console);
  } else {
    const TrainingSettings settings = make_settings(options);
    const RunFolder folder(options.output);
    CLADE_CHECK(common.force || !folder.has_run(), ErrorCode::output, options.output,
                " holds a run already; --resume goes on with it, --force replaces it");
    folder.remove_temporaries();
    start_training(settings, folder, options.checkpoint_minutes, stream, console);
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Trains CLADE, an unpaired super-resolution network, on anisotropic CT or MRI volumes.\n"
      "Research use only; not a medical device.",
      "clade_train");
  TrainingOptions options;
  CommonOptions common;
  add_training_options(app, options);
  add_run_options(app, options);
  add_common_options(app, common);
  return run_program(app, common, argc, argv, [&](Console& console) {
    check_usage(app, options);
    train(options, common, console);
    return 0;
  });
}
