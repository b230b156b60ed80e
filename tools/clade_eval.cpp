// SPDX-License-Identifier: Apache-2.0
// clade_eval: makes test cases with a known truth.
#include <optional>

#include "io/axes.h"
#include "io/degrade.h"
#include "io/nifti.h"
#include "tools/cli.h"
#include "tools/files.h"

namespace {

using namespace clade;

struct DegradeCommand {
  std::string input;
  std::string output;
  std::string axis = "si";
  double spacing = 0;
  std::optional<double> thickness;
  std::string profile = "gaussian";
};

CLI::App* add_degrade(CLI::App& app, DegradeCommand& command) {
  CLI::App* degrade = app.add_subcommand(
      "degrade", "Makes thick slices from thin ones: slice profile along one axis, then sampling at a wider spacing");
  degrade->add_option("-i,--input", command.input, "Volume with thin slices")->required();
  degrade->add_option("-o,--output", command.output, "Volume with thick slices (.nii, .nii.gz)")->required();
  degrade
      ->add_option("--axis", command.axis,
                   "i, j, k, or lr (left-right), ap (anterior-posterior), si (superior-inferior)")
      ->check(CLI::IsMember({"i", "j", "k", "lr", "ap", "si"}))
      ->capture_default_str();
  degrade->add_option("--spacing", command.spacing, "From slice to slice, mm")->required()->check(CLI::PositiveNumber);
  degrade->add_option("--thickness", command.thickness, "Of a slice (full width at half maximum), mm [--spacing]")
      ->check(CLI::PositiveNumber);
  degrade->add_option("--profile", command.profile, "gaussian or boxcar")
      ->check(CLI::IsMember({"gaussian", "boxcar"}))
      ->capture_default_str();
  return degrade;
}

// Voxel axis of an axis name, anatomical or not.
int voxel_axis(const Geometry& geometry, const std::string& name) {
  if (name.size() == 1) return parse_axis(name);
  const Plane across = name == "lr" ? Plane::sagittal : name == "ap" ? Plane::coronal : Plane::axial;
  int axis = 0;
  while (plane_across(geometry, axis) != across) ++axis;
  return axis;
}

void degrade(const DegradeCommand& command, const CommonOptions& common, Console& console) {
  CLADE_CHECK(has_nifti_extension(command.output), ErrorCode::usage, "--output: ", command.output,
              " does not end in .nii or .nii.gz");
  check_output(command.output, common.force);
  ThreadPool pool(common.threads);
  const Volume volume = read_nifti(command.input, console.log());
  const Volume result = with_context(command.input, [&] {
    DegradeOptions options;
    options.axis = voxel_axis(volume.geometry, command.axis);
    options.spacing = command.spacing;
    options.thickness = command.thickness.value_or(command.spacing);
    options.profile = command.profile == "boxcar" ? SliceProfile::boxcar : SliceProfile::gaussian;
    return clade::degrade(volume, options, pool);
  });
  write_nifti(command.output, result);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Makes test cases for super-resolution.\nResearch use only; not a medical device.", "clade_eval");
  CommonOptions common;
  DegradeCommand command;
  add_common_options(app, common);
  CLI::App* degrade_command = add_degrade(app, command);
  degrade_command->fallthrough();
  app.require_subcommand(1);
  return run_program(app, common, argc, argv, [&](Console& console) {
    degrade(command, common, console);
    return 0;
  });
}
