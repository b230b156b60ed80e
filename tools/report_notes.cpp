// SPDX-License-Identifier: Apache-2.0
#include "tools/report_page.h"

namespace clade {

std::string metric_note(const std::string& metric) {
  struct Note {
    const char* prefix;
    const char* text;
  };
  // The first prefix that fits counts.
  constexpr Note kNotes[] = {
      {"piqe_",
       "No-reference quality score of the slices of a plane (Venkatanath et al. 2015). It takes invented texture and "
       "checkerboards for quality: read it with fidelity and the excess at period 2 only."},
      {"edges_",
       "Median of the steepest slope across strong edges, relative to their height. Noise and ringing are steep "
       "too."},
      {"edges",
       "Median of the steepest slope across strong edges, relative to their height. Noise and ringing are steep "
       "too."},
      {"fidelity_",
       "Difference from the measured slices after the result was degraded back to them, in % of the span of "
       "intensities. Blind to whatever is finer than a slice; interpolation does not score 0."},
      {"period_2_excess",
       "Energy of a pattern that repeats every second voxel, above its neighbouring frequencies: "
       "checkerboards. Values below 1 mean little."},
      {"period_",
       "Energy at that period (voxels, along the slice axis): the ratio compares with the acquired plane, the "
       "excess with neighbouring frequencies, where 0 is none."},
      {"seams_", "Steps between tiles of that stride; 1 is none."},
      {"psnr", "Root mean square difference from the truth, in dB. Rewards blur, and air that is easy to predict."},
      {"ssim_", "Structural similarity with the truth inside of slices (Wang et al. 2004). Rewards blur as well."},
      {"gradient_error",
       "Difference of gradients from those of the truth: 0 is perfect, 1 is what a constant volume gets."},
      {"snr",
       "Mean of a signal region over the standard deviation of air. Smoothing raises it; for comparing methods only."}};
  for (const Note& note : kNotes)
    if (metric.starts_with(note.prefix)) return note.text;
  return "";
}

}  // namespace clade
