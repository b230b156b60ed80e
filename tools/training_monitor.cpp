// SPDX-License-Identifier: Apache-2.0
#include "tools/training_monitor.h"

#include <algorithm>
#include <cstdio>

namespace clade {

namespace {

constexpr double kRate = 0.02;               // of the exponential averages: a memory of about 50 steps
constexpr std::int64_t kFirstCheck = 100;    // until then the averages only show the initial weights
constexpr std::int64_t kWarnInterval = 500;  // steps between two warnings about the same thing
constexpr double kLeastDeviation = 0.25;     // output that varies less than this share of real patches is flat

constexpr double StepLosses::*kAveraged[] = {
    &StepLosses::adversarial_gx,   &StepLosses::adversarial_gy,   &StepLosses::cycle_x,
    &StepLosses::cycle_y,          &StepLosses::gradient,         &StepLosses::discriminator_x,
    &StepLosses::discriminator_y,  &StepLosses::deviation_fake_y, &StepLosses::deviation_fake_x,
    &StepLosses::deviation_real_y, &StepLosses::deviation_real_x};

}  // namespace

void TrainingMonitor::observe(std::int64_t step, const StepLosses& losses) {
  ++observed_;
  // A plain mean at first, so that the averages do not start from one single step.
  const double rate = std::max(kRate, 1.0 / static_cast<double>(observed_));
  for (const auto member : kAveraged) average_.*member += rate * (losses.*member - average_.*member);
  if (observed_ < kFirstCheck) return;

  const StepLosses& a = average_;
  const double won = adversarial_ == AdversarialLoss::bce ? 0.05 : 0.02;
  const auto flat = [](const char* network, double fake, double real) {
    return str("the output of ", network, " has lost its variation (deviation ", fake, ", real patches ", real,
               "): the training has collapsed");
  };
  const auto beaten = [](const char* network, double loss) {
    return str("discriminator ", network, " has won (average loss ", loss, "): its generator learns nothing any more");
  };
  update(collapse_x_, a.deviation_fake_y < kLeastDeviation * a.deviation_real_y, step,
         flat("G_X", a.deviation_fake_y, a.deviation_real_y));
  update(collapse_y_, a.deviation_fake_x < kLeastDeviation * a.deviation_real_x, step,
         flat("G_Y", a.deviation_fake_x, a.deviation_real_x));
  update(won_x_, a.discriminator_x < won, step, beaten("D_X", a.discriminator_x));
  update(won_y_, a.discriminator_y < won, step, beaten("D_Y", a.discriminator_y));
}

void TrainingMonitor::update(Alarm& alarm, bool active, std::int64_t step, const std::string& message) {
  alarm.active = active;
  if (!active || (alarm.warned >= 0 && step - alarm.warned < kWarnInterval)) return;
  alarm.warned = step;
  log_.warning("step ", step, ": ", message);
}

std::string TrainingMonitor::summary() const {
  char text[128];
  std::snprintf(text, sizeof text, "cycle %.3f  gradient %.3f  adversarial %.3f  D %.3f",
                average_.cycle_x + average_.cycle_y, average_.gradient,
                average_.adversarial_gx + average_.adversarial_gy, average_.discriminator_x + average_.discriminator_y);
  std::string result = text;
  for (const Alarm& alarm : {collapse_x_, collapse_y_, won_x_, won_y_})
    if (alarm.active) result += str("  [", alarm.tag, "]");
  return result;
}

}  // namespace clade
