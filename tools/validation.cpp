// SPDX-License-Identifier: Apache-2.0
#include "tools/validation.h"

#include "io/nifti.h"
#include "tools/eval_scores.h"

namespace clade {

nlohmann::ordered_json validate(const std::string& path, SuperResolver& model, const SuperResolveOptions& options,
                                const Log& log, const ProgressCallback& progress) {
  Volume volume = read_nifti(path, log);
  return with_context(path, [&] {
    const SuperResolvePlan plan = plan_super_resolution(volume.geometry, model.metadata(), model.config(), options);
    ScoringOptions scoring;
    scoring.intensity = plan.intensity.text();
    scoring.stride = plan.stride;
    SubjectContext context;
    context.acquisition = volume;
    const Volume result = super_resolve(std::move(volume), plan, model, progress);
    const VolumeScorer scorer(scoring, std::move(context), result, model.stream().pool());
    nlohmann::ordered_json scores;
    scores["piqe"] = nullptr;
    for (const Score& score : scorer.score(result).scores)
      scores[score.metric.name] = score.value ? nlohmann::ordered_json(*score.value) : nlohmann::ordered_json(nullptr);
    scores["piqe"] = scores.at(str("piqe_", plane_name(plan.axes.plane)));
    return scores;
  });
}

}  // namespace clade
