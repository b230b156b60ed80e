// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <optional>

#include "io/axes.h"
#include "io/degrade.h"
#include "io/nifti.h"
#include "tools/eval_commands.h"
#include "tools/files.h"

namespace clade {

namespace {

struct DegradeCommand {
  std::string input;
  std::string output;
  std::string axis = "si";
  double spacing = 0;
  std::optional<double> thickness;
  std::optional<double> gap;
  std::string profile = "gaussian";
  double noise = 0;
  std::string noise_kind = "gaussian";
  std::uint64_t seed = 0;
};

// Voxel axis of an axis name, anatomical or not.
int voxel_axis(const Geometry& geometry, const std::string& name) {
  if (name.size() == 1) return parse_axis(name);
  const Plane across = name == "lr" ? Plane::sagittal : name == "ap" ? Plane::coronal : Plane::axial;
  int axis = 0;
  while (plane_across(geometry, axis) != across) ++axis;
  return axis;
}

void run(const DegradeCommand& command, const CommonOptions& common, Console& console) {
  CLADE_CHECK(has_nifti_extension(command.output), ErrorCode::usage, "--output: ", command.output,
              " does not end in .nii or .nii.gz");
  CLADE_CHECK(command.gap.value_or(0.0) < command.spacing, ErrorCode::usage, "--gap ", *command.gap,
              " mm leaves no slice at a spacing of ", command.spacing, " mm");
  check_output(command.output, common.force);
  ThreadPool pool(common.threads);
  const Volume volume = read_nifti(command.input, console.log());
  const Volume result = with_context(command.input, [&] {
    DegradeOptions options;
    options.axis = voxel_axis(volume.geometry, command.axis);
    options.spacing = command.spacing;
    options.thickness = command.thickness.value_or(command.spacing - command.gap.value_or(0.0));
    options.profile = parse_slice_profile(command.profile);
    Volume degraded = degrade(volume, options, pool);
    const NoiseKind kind = command.noise_kind == "rician" ? NoiseKind::rician : NoiseKind::gaussian;
    if (command.noise > 0.0) add_noise(degraded, kind, command.noise, command.seed, pool);
    return degraded;
  });
  write_nifti(command.output, result);
}

}  // namespace

EvalCommand add_degrade_command(CLI::App& app) {
  const auto command = std::make_shared<DegradeCommand>();
  DegradeCommand& c = *command;
  CLI::App* degrade = app.add_subcommand(
      "degrade", "Makes thick slices from thin ones: slice profile along one axis, then sampling at a wider spacing");
  degrade->add_option("-i,--input", c.input, "Volume with thin slices")->required();
  degrade->add_option("-o,--output", c.output, "Volume with thick slices (.nii, .nii.gz)")->required();
  degrade->add_option("--axis", c.axis, "i, j, k, or lr (left-right), ap (anterior-posterior), si (superior-inferior)")
      ->check(CLI::IsMember({"i", "j", "k", "lr", "ap", "si"}))
      ->capture_default_str();
  degrade->add_option("--spacing", c.spacing, "From slice to slice, mm")->required()->check(CLI::PositiveNumber);
  CLI::Option* thickness =
      degrade->add_option("--thickness", c.thickness, "Of a slice (full width at half maximum), mm [--spacing]")
          ->check(CLI::PositiveNumber);
  degrade->add_option("--gap", c.gap, "Between slices, mm: the thickness is --spacing less this")
      ->check(CLI::NonNegativeNumber)
      ->excludes(thickness);
  degrade->add_option("--profile", c.profile, "gaussian or boxcar")
      ->check(CLI::IsMember({"gaussian", "boxcar"}))
      ->capture_default_str();
  degrade->add_option("--noise", c.noise, "Standard deviation of noise to add, in intensities [none]")
      ->check(CLI::NonNegativeNumber);
  degrade->add_option("--noise-kind", c.noise_kind, "gaussian (CT) or rician (MR magnitude)")
      ->check(CLI::IsMember({"gaussian", "rician"}))
      ->capture_default_str();
  degrade->add_option("--seed", c.seed, "Of the noise")->capture_default_str();
  return {degrade, [command](const CommonOptions& common, Console& console) { run(*command, common, console); }};
}

}  // namespace clade
