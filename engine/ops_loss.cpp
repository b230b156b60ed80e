// SPDX-License-Identifier: Apache-2.0
// Scalar losses and their weighted sum.
#include <array>

#include "engine/ops.h"
#include "kernels/dispatch.h"

namespace clade {

namespace {

constexpr std::size_t kMaxTerms = 8;
const Shape kScalar{1};

struct NoAttributes {};

void l1_backward(Tape& tape, const Record& record) {
  if (const auto a = tape.input_gradient(record, 0))
    CLADE_KERNEL(l1_backward)(tape.stream(), tape.value(tape.input(record, 0)), tape.value(tape.input(record, 1)),
                              tape.output_gradient(record), a->mode, a->view);
}

constexpr OpInfo kL1{"l1_mean", l1_backward};

struct AdversarialAttributes {
  kernels::AdversarialLoss kind;
  float label;
};

void adversarial_backward(Tape& tape, const Record& record) {
  const auto& attributes = record.get<AdversarialAttributes>();
  if (const auto logits = tape.input_gradient(record, 0))
    CLADE_KERNEL(adversarial_backward)(tape.stream(), attributes.kind, attributes.label,
                                       tape.value(tape.input(record, 0)), tape.output_gradient(record), logits->mode,
                                       logits->view);
}

constexpr OpInfo kAdversarial{"adversarial_mean", adversarial_backward};

struct SobelAttributes {
  kernels::GradientForm form;
};

void sobel_backward(Tape& tape, const Record& record) {
  if (const auto image = tape.input_gradient(record, 0))
    CLADE_KERNEL(sobel_l1_backward)(tape.stream(), record.get<SobelAttributes>().form,
                                    tape.value(tape.input(record, 0)), tape.value(tape.input(record, 1)),
                                    tape.output_gradient(record), image->mode, image->view);
}

constexpr OpInfo kSobel{"sobel_l1_mean", sobel_backward};

struct SumAttributes {
  std::array<float, kMaxTerms> weights;
};

void weighted_sum_backward(Tape& tape, const Record& record) {
  const auto& weights = record.get<SumAttributes>().weights;
  for (std::uint32_t i = 0; i < record.input_count; ++i)
    if (const auto term = tape.input_gradient(record, i))
      CLADE_KERNEL(scale_into)(tape.stream(), weights[i], tape.output_gradient(record), term->mode, term->view);
}

constexpr OpInfo kWeightedSum{"weighted_sum", weighted_sum_backward};

void check_pair(const Tape& tape, const char* op, Var a, Var target) {
  CLADE_CHECK(tape.shape(a) == tape.shape(target), ErrorCode::internal, op, " between ", tape.shape(a), " and ",
              tape.shape(target));
}

}  // namespace

Var l1_mean(Tape& tape, Var a, Var target) {
  check_pair(tape, "l1_mean", a, target);
  const View<float> loss = tape.allocate(kScalar);
  CLADE_KERNEL(l1_forward)(tape.stream(), tape.value(a), tape.value(target), loss);
  return tape.push(kL1, std::array{a, target}, loss, NoAttributes{});
}

Var adversarial_mean(Tape& tape, Var logits, kernels::AdversarialLoss kind, float label) {
  const View<float> loss = tape.allocate(kScalar);
  CLADE_KERNEL(adversarial_forward)(tape.stream(), kind, label, tape.value(logits), loss);
  return tape.push(kAdversarial, std::array{logits}, loss, AdversarialAttributes{kind, label});
}

Var sobel_l1_mean(Tape& tape, Var image, Var target, kernels::GradientForm form) {
  check_pair(tape, "sobel_l1_mean", image, target);
  const Shape& shape = tape.shape(image);
  CLADE_CHECK(shape.rank() == 5 && shape[2] >= 2 && shape[3] >= 2 && shape[4] == 1, ErrorCode::internal,
              "sobel_l1_mean of ", shape);
  const View<float> loss = tape.allocate(kScalar);
  CLADE_KERNEL(sobel_l1_forward)(tape.stream(), form, tape.value(image), tape.value(target), loss);
  return tape.push(kSobel, std::array{image, target}, loss, SobelAttributes{form});
}

Var weighted_sum(Tape& tape, std::span<const Var> terms, std::span<const float> weights) {
  CLADE_CHECK(!terms.empty() && terms.size() <= kMaxTerms && terms.size() == weights.size(), ErrorCode::internal,
              "weighted_sum of ", terms.size(), " terms with ", weights.size(), " weights");
  SumAttributes attributes{};
  const View<float> sum = tape.allocate(kScalar);
  auto mode = kernels::WriteMode::overwrite;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    attributes.weights[i] = weights[i];
    CLADE_KERNEL(scale_into)(tape.stream(), weights[i], tape.value(terms[i]), mode, sum);
    mode = kernels::WriteMode::accumulate;
  }
  return tape.push(kWeightedSum, terms, sum, attributes);
}

}  // namespace clade
