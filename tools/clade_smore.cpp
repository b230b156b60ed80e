// SPDX-License-Identifier: Apache-2.0
// clade_smore: SMORE, a method to compare CLADE with. It learns from the volume it is applied to.
#include <cmath>

#include "io/nifti.h"
#include "io/png.h"
#include "models/smore.h"
#include "models/super_resolve.h"
#include "tools/cli.h"
#include "tools/files.h"
#include "tools/preview.h"

namespace {

using namespace clade;

struct Arguments {
  std::string input;
  std::string output;
  std::string dtype = "float32";
  bool nan_is_background = false;
  std::string preview;
  std::string preview_reference;
  std::optional<std::string> slice_axis;
  SmoreOptions smore;
};

void add_options(CLI::App& app, Arguments& a) {
  const char* files = "Files";
  app.add_option("-i,--input", a.input, "Volume (.nii, .nii.gz, .hdr)")->required()->group(files);
  app.add_option("-o,--output", a.output, "Volume (.nii, .nii.gz)")->required()->group(files);
  app.add_option("--dtype", a.dtype, "float32, int16, or same as the input")
      ->check(CLI::IsMember({"float32", "int16", "same"}))
      ->capture_default_str()
      ->group(files);
  app.add_option("--preview", a.preview, "Also draw a picture (.png): interpolation beside result")->group(files);
  app.add_option("--preview-reference", a.preview_reference, "Volume with the truth, a third column of the picture")
      ->group(files);
  app.add_flag("--nan-is-background", a.nan_is_background, "Take voxels that are NaN for the least of the others")
      ->group(files);

  const char* how = "How";
  SmoreOptions& s = a.smore;
  app.add_option("--slice-axis", a.slice_axis, "Axis across the slices: i, j or k [largest spacing]")->group(how);
  app.add_option("--thickness", s.thickness, "Of a slice (full width at half maximum), mm [spacing of the slices]")
      ->check(CLI::PositiveNumber)
      ->group(how);
  app.add_option("--steps", s.steps, "Of training")->check(in_range(1, 1 << 30))->capture_default_str()->group(how);
  app.add_option("--batch", s.batch, "Patches per step")->check(in_range(1, 1024))->capture_default_str()->group(how);
  app.add_option("--patch", s.patch, "Patch size in pixels")
      ->check(in_range(8, 512))
      ->capture_default_str()
      ->group(how);
  app.add_option("--learning-rate", s.learning_rate, "Highest of the OneCycle schedule")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->group(how);
  app.add_option("--channels", s.channels, "Of the network")
      ->check(in_range(2, 512))
      ->capture_default_str()
      ->group(how);
  app.add_option("--blocks", s.blocks, "Of the network")->check(in_range(0, 64))->capture_default_str()->group(how);
  app.add_option("--seed", s.seed, "Of all random numbers")->capture_default_str()->group(how);
}

void check_usage(const Arguments& a, bool force) {
  CLADE_CHECK(has_nifti_extension(a.output), ErrorCode::usage, "--output: ", a.output,
              " does not end in .nii or .nii.gz");
  CLADE_CHECK(a.preview_reference.empty() || !a.preview.empty(), ErrorCode::usage,
              "--preview-reference goes with --preview only");
  check_output(a.output, force);
  if (!a.preview.empty()) check_output(a.preview, force);
}

Volume train_and_apply(const Volume& volume, const SmorePlan& plan, const SmoreOptions& options, Stream& stream,
                       Console& console) {
  Smore smore(volume, plan, options, stream);
  console.begin_progress(0);
  smore.train([&](std::int64_t done, std::int64_t total, double loss) {
    console.progress(done, total, [&] { return str("step ", done, "/", total, "  loss ", loss); });
    return !stop_requested();
  });
  console.end_progress();
  console.begin_progress(0);
  Volume result = smore.apply([&](long long done, long long total) {
    console.progress(done, total, [&] { return str("slice ", done, "/", total); });
    return !stop_requested();
  });
  console.end_progress();
  for (float value : result.voxels)
    CLADE_CHECK(std::isfinite(value), ErrorCode::numerical, "the network made values that are not finite");
  return result;
}

void draw_preview(const Arguments& a, const Volume& volume, const SmorePlan& plan, const Volume& result,
                  const Volume& reference, ThreadPool& pool) {
  const Volume interpolated = interpolate(volume, plan.axes, plan.grid, pool);
  Preview preview(interpolated, plan.axes, a.preview_reference.empty() ? 2 : 3);
  preview.add_column("INTERPOLATED", interpolated);
  preview.add_column("SMORE", result);
  if (!a.preview_reference.empty()) with_context(a.preview_reference, [&] { preview.add_column("TRUTH", reference); });
  write_png(a.preview, preview.render());
}

void run(Arguments& a, const CommonOptions& common, Console& console) {
  check_usage(a, common.force);
  if (a.slice_axis) a.smore.slice_axis = parse_axis(*a.slice_axis);
  ThreadPool pool(common.threads);
  Stream stream(select_device(common.device, console.log()), pool);
  const NanVoxels nan = a.nan_is_background ? NanVoxels::background : NanVoxels::refuse;
  const Volume volume = read_nifti(a.input, console.log(), nan);
  const Volume reference = a.preview_reference.empty() ? Volume() : read_nifti(a.preview_reference, console.log(), nan);
  const SmorePlan plan = with_context(a.input, [&] { return plan_smore(volume.geometry, a.smore); });
  const Volume result = with_context(a.input, [&] { return train_and_apply(volume, plan, a.smore, stream, console); });
  const VoxelType type = a.dtype == "same"    ? result.stored_type
                         : a.dtype == "int16" ? VoxelType::int16
                                              : VoxelType::float32;
  write_nifti(a.output, result, type, &pool);
  if (!a.preview.empty()) draw_preview(a, volume, plan, result, reference, pool);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Super-resolves an anisotropic CT or MRI volume with SMORE (Zhao et al. 2021), to compare CLADE with: a network\n"
      "learns from the planes of the volume itself and is applied to it.\n"
      "Research use only; not a medical device.",
      "clade_smore");
  Arguments arguments;
  CommonOptions common;
  add_options(app, arguments);
  add_common_options(app, common);
  return run_program(app, common, argc, argv, [&](Console& console) {
    run(arguments, common, console);
    return 0;
  });
}
