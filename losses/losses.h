// SPDX-License-Identifier: Apache-2.0
// The terms of the CLADE objective (Pascale et al., arXiv 2303.11831), each a mean, as compositions of ops.
#pragma once

#include "engine/ops.h"

namespace clade {

using kernels::AdversarialLoss;
using kernels::GradientForm;

/// What a generator pays for fakes that the discriminator recognises; bce is the non-saturating form of Eq. 2.
Var generator_adversarial_loss(Tape& tape, AdversarialLoss kind, Var fake_logits);

/// 0.5 (real against 1 + fake against 0).
Var discriminator_loss(Tape& tape, AdversarialLoss kind, Var real_logits, Var fake_logits);

/// |reconstruction - image|, one of the two terms of Eq. 4.
Var cycle_loss(Tape& tape, Var reconstruction, Var image);

/// |G(image) - image| for an image that already is in G's target domain (Zhu et al. 2017, section 5.2).
Var identity_loss(Tape& tape, Var output, Var image);

/// Gradient-map loss of the y cycle, Eq. 7 with the reconstruction G_X(G_Y(y)) in both terms.
Var gradient_map_loss(Tape& tape, GradientForm form, Var reconstruction, Var image);

}  // namespace clade
