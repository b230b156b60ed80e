// SPDX-License-Identifier: Apache-2.0
// clade_sr: applies a trained model to volumes, or to a file of patches.
#include <cmath>
#include <iostream>

#include "io/nifti.h"
#include "io/png.h"
#include "models/super_resolve.h"
#include "tools/cli.h"
#include "tools/files.h"
#include "tools/preview.h"
#include "tools/volume_jobs.h"

namespace {

using namespace clade;
namespace fs = std::filesystem;

struct ApplyOptions {
  std::string model;
  std::vector<std::string> inputs;
  std::string output;
  std::optional<int> stride;
  std::optional<int> batch;
  std::optional<std::string> plane, slice_axis, intensity, norm, precision;
  int back_projections = 0;
  std::optional<double> thickness;
  std::string profile = "gaussian";
  std::string dtype = "float32";
  bool patches = false;
  bool dry_run = false;
  bool nan_is_background = false;
  std::string uncertainty;
  std::string preview;
  std::string preview_reference;
};

void add_options(CLI::App& app, ApplyOptions& o) {
  const char* files = "Files";
  app.add_option("-m,--model", o.model, "Model (.safetensors)")->required()->group(files);
  app.add_option("-i,--input", o.inputs, "Volumes (.nii, .nii.gz, .hdr) or folders of them")->required()->group(files);
  app.add_option("-o,--output", o.output, "Volume; a folder for several inputs, which gets NAME_clade.nii.gz")
      ->required()
      ->group(files);
  app.add_option("--dtype", o.dtype, "float32, int16, or same as the input")
      ->check(CLI::IsMember({"float32", "int16", "same"}))
      ->capture_default_str()
      ->group(files);
  app.add_option(
         "--uncertainty", o.uncertainty,
         "Also write how far overlapping tiles differ (standard deviation), a volume; a folder for several inputs")
      ->group(files);
  app.add_option("--preview", o.preview, "Also draw a picture (.png): interpolation beside result")->group(files);
  app.add_option("--preview-reference", o.preview_reference, "Volume with the truth, a third column of the picture")
      ->group(files);
  app.add_flag("--patches", o.patches, "Input and output are safetensors files: x [N,1,H,W] in, y out")->group(files);

  const char* how = "How";
  app.add_option("--stride", o.stride, "Pixels from tile to tile, smaller is smoother and slower [model, 12]")
      ->check(in_range(1, 1 << 20))
      ->group(how);
  app.add_option("--batch", o.batch, "Tiles per call of the network [CPU 32, CUDA 256]")
      ->check(in_range(1, 65536))
      ->group(how);
  app.add_option("--precision", o.precision,
                 "Convolutions on a CUDA device: tf32, fp32 (slower) or bf16 (faster, coarser) [tf32]")
      ->group(how);
  app.add_option("--plane", o.plane, "Low-resolution plane: sagittal, coronal or axial [model]")->group(how);
  app.add_option("--slice-axis", o.slice_axis, "Axis across the slices: i, j or k [largest spacing]")->group(how);
  app.add_option("--intensity", o.intensity, "minmax, percentile:LO,HI or window:LO,HI [model]")->group(how);
  app.add_option("--back-projection", o.back_projections,
                 "Rounds of making the result explain the acquired slices, after the network; 1 is enough [0]")
      ->check(in_range(0, 100))
      ->group(how);
  app.add_option("--thickness", o.thickness, "Of the acquired slices for --back-projection, mm [their spacing]")
      ->check(CLI::PositiveNumber)
      ->group(how);
  app.add_option("--profile", o.profile, "Of the acquired slices for --back-projection: gaussian or boxcar")
      ->check(CLI::IsMember({"gaussian", "boxcar"}))
      ->capture_default_str()
      ->group(how);
  app.add_flag("--nan-is-background", o.nan_is_background, "Take voxels that are NaN for the least of the others")
      ->group(how);
  app.add_option("--norm", o.norm, "demod or instance [model]")->group(how);
  app.add_flag("--dry-run", o.dry_run, "Print the plan on standard output and stop")->group(how);
}

SuperResolver open_model(const ApplyOptions& o, Stream& stream) {
  std::optional<Norm> norm;
  if (o.norm) norm = parse_norm(*o.norm);
  return load_model(o.model, norm, stream);
}

int batch_size(const ApplyOptions& o, const Stream& stream) { return o.batch.value_or(default_batch(stream.device())); }

SuperResolveOptions plan_options(const ApplyOptions& o, const Stream& stream) {
  SuperResolveOptions options;
  options.stride = o.stride;
  options.batch = batch_size(o, stream);
  options.back_projections = o.back_projections;
  options.thickness = o.thickness;
  options.profile = parse_slice_profile(o.profile);
  options.uncertainty = !o.uncertainty.empty();
  if (o.plane) options.plane = parse_plane(*o.plane);
  if (o.slice_axis) options.slice_axis = parse_axis(*o.slice_axis);
  if (o.intensity) options.intensity = IntensityRule::parse(*o.intensity);
  return options;
}

std::string by(const std::array<int, 3>& size) { return str(size[0], " x ", size[1], " x ", size[2]); }
std::string by(const std::array<double, 3>& spacing) {
  return str(spacing[0], " x ", spacing[1], " x ", spacing[2], " mm");
}

std::string back_projection_line(const SuperResolvePlan& plan) {
  if (plan.back_projections == 0) return "";
  return str("projections: ", plan.back_projections, ", of slices ", plan.acquired.thickness, " mm thick\n");
}

void print_plan(const VolumeJob& job, const Volume& header, const SuperResolvePlan& plan, const SuperResolver& model) {
  constexpr char axis[] = "ijk";
  const auto file = [](const fs::path& path) {
    std::error_code error;
    return path.string() + (fs::exists(path, error) ? " (exists)" : "");
  };
  const double mebibytes = static_cast<double>(plan.peak_memory_bytes) / (1 << 20);
  std::cout << "input:       " << job.input.string() << '\n'
            << "grid:        " << by(header.geometry.size) << ", " << by(header.geometry.spacing) << '\n'
            << "slice axis:  " << axis[plan.axes.slice] << '\n'
            << "plane:       " << plane_name(plan.axes.plane) << '\n'
            << "target grid: " << by(plan.grid.size) << ", " << by(plan.grid.spacing) << '\n'
            << "intensity:   " << plan.intensity.text() << " to +-" << plan.range << '\n'
            << "patches:     " << plan.patches << " of " << plan.patch << " x " << plan.patch << ", stride "
            << plan.stride << ", in " << plan.slices << " slices\n"
            << back_projection_line(plan) << "memory:      about " << std::llround(mebibytes) << " MiB\n"
            << "device:      " << model.stream().device() << '\n'
            << "output:      " << file(job.output) << '\n';
  if (!job.uncertainty.empty()) std::cout << "uncertainty: " << file(job.uncertainty) << '\n';
  std::cout << '\n';
}

class Application {
 public:
  Application(const ApplyOptions& options, Stream& stream, Console& console)
      : options_(options),
        plan_options_(plan_options(options, stream)),
        console_(console),
        model_(open_model(options, stream)) {}

  void plan(const VolumeJob& job) {
    const Volume header = read_nifti_header(job.input, console_.log());
    with_context(job.input.string(), [&] { print_plan(job, header, make_plan(header), model_); });
  }

  void super_resolve(const VolumeJob& job) {
    const NanVoxels nan = options_.nan_is_background ? NanVoxels::background : NanVoxels::refuse;
    Volume volume = read_nifti(job.input, console_.log(), nan);
    const Volume reference =
        options_.preview_reference.empty() ? Volume() : read_nifti(options_.preview_reference, console_.log(), nan);
    Volume uncertainty;
    const Volume result = with_context(job.input.string(), [&] { return run(job, std::move(volume), uncertainty); });
    const VoxelType type = options_.dtype == "same"    ? result.stored_type
                           : options_.dtype == "int16" ? VoxelType::int16
                                                       : VoxelType::float32;
    write_nifti(job.output, result, type, &model_.stream().pool());
    if (!job.uncertainty.empty())
      write_nifti(job.uncertainty, uncertainty, VoxelType::float32, &model_.stream().pool());
    if (!preview_) return;
    preview_->add_column("CLADE", result);
    if (!options_.preview_reference.empty())
      with_context(options_.preview_reference, [&] { preview_->add_column("TRUTH", reference); });
    write_png(options_.preview, preview_->render());
  }

 private:
  SuperResolvePlan make_plan(const Volume& header) const {
    return plan_super_resolution(header.geometry, model_.metadata(), model_.config(), plan_options_);
  }

  Volume run(const VolumeJob& job, Volume&& volume, Volume& uncertainty) {
    const SuperResolvePlan plan = make_plan(volume);
    if (!options_.preview.empty()) {
      const Volume interpolated = interpolate(volume, plan.axes, plan.grid, model_.stream().pool());
      preview_.emplace(interpolated, plan.axes, options_.preview_reference.empty() ? 2 : 3);
      preview_->add_column("INTERPOLATED", interpolated);
    }
    const std::string name = job.input.filename().string();
    console_.begin_progress(0);
    const ProgressCallback progress = [&](long long done, long long total) {
      console_.progress(done, total, [&] { return str(name, "  slice ", done, "/", total); });
      return !stop_requested();
    };
    Volume result =
        clade::super_resolve(std::move(volume), plan, model_, progress, plan.uncertainty ? &uncertainty : nullptr);
    console_.end_progress();
    for (float value : result.voxels)
      CLADE_CHECK(std::isfinite(value), ErrorCode::numerical, "the network made values that are not finite");
    return result;
  }

  const ApplyOptions& options_;
  SuperResolveOptions plan_options_;
  Console& console_;
  SuperResolver model_;
  std::optional<Preview> preview_;
};

void apply_to_volumes(const ApplyOptions& options, bool force, Stream& stream, Console& console) {
  const std::vector<VolumeJob> jobs = make_jobs(options.inputs, options.output, options.uncertainty);
  CLADE_CHECK(jobs.size() == 1 || (options.preview.empty() && options.preview_reference.empty()), ErrorCode::usage,
              "--preview shows one volume, but there are ", jobs.size());
  if (!options.dry_run) {
    for (const std::string& output : {options.output, options.uncertainty})
      if (!output.empty() && names_folder(options.inputs, output)) create_folder(output);
    for (const VolumeJob& job : jobs) {
      check_output(job.output, force);
      if (!job.uncertainty.empty()) check_output(job.uncertainty, force);
    }
    if (!options.preview.empty()) check_output(options.preview, force);
  }
  Application application(options, stream, console);
  run_jobs(jobs, console,
           [&](const VolumeJob& job) { options.dry_run ? application.plan(job) : application.super_resolve(job); });
}

void apply_to_patches(const ApplyOptions& options, bool force, Stream& stream) {
  const std::string& input = options.inputs.front();
  check_output(options.output, force);
  SuperResolver model = open_model(options, stream);
  const TensorFile file = read_safetensors(input, ErrorCode::input);
  const HostTensor& x = file.at("x", ErrorCode::input);
  CLADE_CHECK(x.shape.size() == 4 && x.shape[1] == 1 && x.shape[0] > 0, ErrorCode::input, input,
              ": tensor x is not [N, 1, H, W]");
  const std::int64_t h = x.shape[2], w = x.shape[3];
  CLADE_CHECK(h >= 8 && w >= 8 && h % 4 == 0 && w % 4 == 0 && h < 65536 && w < 65536, ErrorCode::input, input,
              ": patches of ", h, " x ", w, "; the network takes multiples of 4 from 8 on");
  HostTensor y{x.shape, std::vector<float>(x.values.size())};
  const int batch = batch_size(options, stream);
  for (std::int64_t first = 0; first < x.shape[0]; first += batch) {
    const std::int64_t count = std::min<std::int64_t>(batch, x.shape[0] - first);
    const auto offset = static_cast<std::size_t>(first * h * w);
    const auto size = static_cast<std::size_t>(count * h * w);
    model.apply(std::span(x.values).subspan(offset, size), static_cast<int>(count), static_cast<int>(h),
                static_cast<int>(w), std::span(y.values).subspan(offset, size));
    if (stop_requested()) fail(ErrorCode::interrupted, "interrupted");
  }
  write_safetensors(options.output, {{{"y", std::move(y)}}, {}});
}

void check_usage(const CLI::App& app, const ApplyOptions& options) {
  for (const char* name : {"--thickness", "--profile"})
    CLADE_CHECK(app.get_option(name)->count() == 0 || options.back_projections > 0, ErrorCode::usage, name,
                " goes with --back-projection only");
  CLADE_CHECK(options.preview_reference.empty() || !options.preview.empty(), ErrorCode::usage,
              "--preview-reference goes with --preview only");
  if (!options.patches) return;
  CLADE_CHECK(options.inputs.size() == 1, ErrorCode::usage, "--patches takes one input");
  for (const char* name :
       {"--stride", "--plane", "--slice-axis", "--intensity", "--dtype", "--uncertainty", "--preview", "--dry-run",
        "--nan-is-background", "--back-projection", "--thickness", "--profile"})
    CLADE_CHECK(app.get_option(name)->count() == 0, ErrorCode::usage, name, " has no meaning for --patches");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Super-resolves anisotropic CT or MRI volumes with a model of clade_train.\n"
      "Research use only; not a medical device.",
      "clade_sr");
  ApplyOptions options;
  CommonOptions common;
  add_options(app, options);
  add_common_options(app, common);
  return run_program(app, common, argc, argv, [&](Console& console) {
    check_usage(app, options);
    ThreadPool pool(common.threads);
    Stream stream(select_device(common.device, console.log()), pool);
    if (options.precision) stream.set_precision(parse_precision(*options.precision));
    if (options.patches) {
      apply_to_patches(options, common.force, stream);
    } else {
      apply_to_volumes(options, common.force, stream, console);
    }
    return 0;
  });
}
