// SPDX-License-Identifier: Apache-2.0
// clade_eval: makes test cases with a known truth, scores volumes, compares methods.
#include "tools/eval_commands.h"

int main(int argc, char** argv) {
  using namespace clade;
  CLI::App app(
      "Makes test cases for super-resolution, scores volumes and compares methods.\n"
      "Research use only; not a medical device.",
      "clade_eval");
  CommonOptions common;
  add_common_options(app, common);
  const EvalCommand commands[] = {add_degrade_command(app), add_score_command(app),  add_compare_command(app),
                                  add_report_command(app),  add_reader_command(app), add_study_command(app)};
  for (const EvalCommand& command : commands) command.app->fallthrough();
  app.require_subcommand(1);
  return run_program(app, common, argc, argv, [&](Console& console) {
    for (const EvalCommand& command : commands)
      if (command.app->parsed()) command.run(common, console);
    return 0;
  });
}
