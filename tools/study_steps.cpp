// SPDX-License-Identifier: Apache-2.0
#include "tools/study_steps.h"

#include "core/error.h"

namespace clade {

namespace fs = std::filesystem;

namespace {

class Builder {
 public:
  Builder(const StudyPlan& plan, const fs::path& folder) : plan_(plan), root_(folder) {}

  StudySteps build() {
    std::vector<std::size_t> all;
    for (std::size_t volume = 0; volume < plan_.volumes.size(); ++volume) all.push_back(volume);
    for (const GridPoint& point : expand(plan_.train)) {
      const std::string name = point.name.empty() ? "training" : point.name;
      if (!plan_.training_inputs.empty()) {
        add_training(point, fs::path("runs") / name, plan_.training_inputs, all);
        continue;
      }
      for (std::size_t volume : all)
        add_training(point, fs::path("runs") / plan_.volumes[volume].name / name, {plan_.volumes[volume].input},
                     {volume});
    }
    return std::move(result_);
  }

 private:
  // Files are FOLDER/STEM.json, FOLDER/STEM.log.
  std::size_t add(StudyProgram program, const fs::path& stem, std::optional<std::size_t> after) {
    StudyStep step;
    step.program = program;
    step.name = stem.string();
    step.record = root_ / (stem.string() + ".step.json");
    step.log = root_ / (stem.string() + ".log");
    step.after = after;
    result_.steps.push_back(std::move(step));
    return result_.steps.size() - 1;
  }

  void add_training(const GridPoint& point, const fs::path& folder, const std::vector<fs::path>& inputs,
                    const std::vector<std::size_t>& volumes) {
    const std::size_t training = add(StudyProgram::train, folder / "run", {});
    const fs::path run = root_ / folder / "run";
    StudyStep& step = result_.steps[training];
    step.arguments = {"--input"};
    for (const fs::path& input : inputs) step.arguments.push_back(input.string());
    step.arguments.insert(step.arguments.end(), point.arguments.begin(), point.arguments.end());
    step.places = {"--output", run.string()};
    step.output = run / "latest.safetensors";
    for (const std::string& checkpoint : plan_.checkpoints)
      for (const GridPoint& application : expand(plan_.apply)) {
        const fs::path results = folder / str(checkpoint, application.name.empty() ? "" : "_", application.name);
        for (std::size_t volume : volumes) {
          const std::size_t apply =
              add_apply(volume, application, training, run / (checkpoint + ".safetensors"), results);
          const std::size_t score = add_score(volume, apply, results);
          result_.cases.push_back({volume, point.values, checkpoint, application.values, apply, score});
        }
      }
  }

  std::size_t add_apply(std::size_t volume, const GridPoint& point, std::size_t training, const fs::path& model,
                        const fs::path& folder) {
    const StudyVolume& v = plan_.volumes[volume];
    const std::size_t apply = add(StudyProgram::apply, folder / (v.name + ".apply"), training);
    StudyStep& step = result_.steps[apply];
    step.arguments = {"--input", v.input.string()};
    step.arguments.insert(step.arguments.end(), point.arguments.begin(), point.arguments.end());
    step.output = root_ / folder / (v.name + ".nii.gz");
    step.places = {"--model", model.string(), "--output", step.output.string()};
    return apply;
  }

  std::size_t add_score(std::size_t volume, std::size_t apply, const fs::path& folder) {
    const StudyVolume& v = plan_.volumes[volume];
    const std::size_t score = add(StudyProgram::score, folder / (v.name + ".score"), apply);
    StudyStep& step = result_.steps[score];
    step.arguments = {"--acquisition", v.input.string()};
    if (v.reference) step.arguments.insert(step.arguments.end(), {"--reference", v.reference->string()});
    if (v.mask) step.arguments.insert(step.arguments.end(), {"--mask", v.mask->string()});
    step.arguments.insert(step.arguments.end(), plan_.score_arguments.begin(), plan_.score_arguments.end());
    step.output = root_ / folder / (v.name + ".scores.json");
    step.places = {"--input", result_.steps[apply].output.string(), "--json", step.output.string()};
    return score;
  }

  const StudyPlan& plan_;
  fs::path root_;
  StudySteps result_;
};

}  // namespace

StudySteps make_study_steps(const StudyPlan& plan, const fs::path& folder) {
  return Builder(plan, fs::absolute(folder).lexically_normal()).build();
}

}  // namespace clade
