// SPDX-License-Identifier: Apache-2.0
#include "models/config.h"

#include <array>
#include <utility>

#include "core/error.h"

namespace clade {

namespace {

template <class Enum, std::size_t N>
using Words = std::array<std::pair<Enum, const char*>, N>;

constexpr Words<Norm, 2> kNorms{{{Norm::demod, "demod"}, {Norm::instance, "instance"}}};
constexpr Words<Upsampling, 2> kUpsamplings{{{Upsampling::transposed, "transposed"}, {Upsampling::resize, "resize"}}};
constexpr Words<AdversarialLoss, 2> kAdversarial{{{AdversarialLoss::bce, "bce"}, {AdversarialLoss::lsgan, "lsgan"}}};
constexpr Words<GradientForm, 2> kForms{{{GradientForm::combined, "combined"}, {GradientForm::separate, "separate"}}};

constexpr Words<Precision, 3> kPrecisions{
    {{Precision::tf32, "tf32"}, {Precision::fp32, "fp32"}, {Precision::bf16, "bf16"}}};

template <class Enum, std::size_t N>
const char* word_of(const Words<Enum, N>& words, Enum value) {
  for (const auto& [known, word] : words)
    if (known == value) return word;
  return "?";
}

template <class Enum, std::size_t N>
Enum parse(const Words<Enum, N>& words, const char* what, std::string_view text) {
  std::string choices;
  for (const auto& [value, word] : words) {
    if (text == word) return value;
    choices += choices.empty() ? word : std::string(" or ") + word;
  }
  fail(ErrorCode::usage, what, " '", text, "' is not ", choices);
}

}  // namespace

const char* name(Norm norm) { return word_of(kNorms, norm); }
const char* name(Upsampling upsampling) { return word_of(kUpsamplings, upsampling); }
const char* name(AdversarialLoss loss) { return word_of(kAdversarial, loss); }
const char* name(GradientForm form) { return word_of(kForms, form); }
const char* name(Precision precision) { return word_of(kPrecisions, precision); }

Norm parse_norm(std::string_view word) { return parse(kNorms, "norm", word); }
Upsampling parse_upsampling(std::string_view word) { return parse(kUpsamplings, "upsampling", word); }
AdversarialLoss parse_adversarial(std::string_view word) { return parse(kAdversarial, "adversarial loss", word); }
GradientForm parse_gradient_form(std::string_view word) { return parse(kForms, "gradient form", word); }
Precision parse_precision(std::string_view word) { return parse(kPrecisions, "precision", word); }

}  // namespace clade
