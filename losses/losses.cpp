// SPDX-License-Identifier: Apache-2.0
#include "losses/losses.h"

#include <array>

namespace clade {

namespace {
constexpr float kReal = 1.0f;
constexpr float kFake = 0.0f;
}  // namespace

Var generator_adversarial_loss(Tape& tape, AdversarialLoss kind, Var fake_logits) {
  return adversarial_mean(tape, fake_logits, kind, kReal);
}

Var discriminator_loss(Tape& tape, AdversarialLoss kind, Var real_logits, Var fake_logits) {
  const std::array terms{adversarial_mean(tape, real_logits, kind, kReal),
                         adversarial_mean(tape, fake_logits, kind, kFake)};
  return weighted_sum(tape, terms, std::array{0.5f, 0.5f});
}

Var cycle_loss(Tape& tape, Var reconstruction, Var image) { return l1_mean(tape, reconstruction, image); }

Var identity_loss(Tape& tape, Var output, Var image) { return l1_mean(tape, output, image); }

Var gradient_map_loss(Tape& tape, GradientForm form, Var reconstruction, Var image) {
  return sobel_l1_mean(tape, reconstruction, image, form);
}

}  // namespace clade
