// SPDX-License-Identifier: Apache-2.0
// Instance norm, sums, and the routing of samples between networks.
#include <array>

#include "engine/ops.h"
#include "kernels/dispatch.h"

namespace clade {

using kernels::WriteMode;

namespace {

constexpr float kInstanceNormEpsilon = 1e-5f;

struct InstanceNormAttributes {
  Activation activation;
  View<const float> statistics;
};

void instance_norm_backward(Tape& tape, const Record& record) {
  const auto& attributes = record.get<InstanceNormAttributes>();
  if (const auto x = tape.input_gradient(record, 0))
    CLADE_KERNEL(instance_norm_backward)(tape.stream(), attributes.activation, tape.value(tape.input(record, 0)),
                                         attributes.statistics, tape.output_gradient(record), x->mode, x->view);
}

constexpr OpInfo kInstanceNorm{"instance_norm", instance_norm_backward};

struct NoAttributes {};

void add_backward(Tape& tape, const Record& record) {
  for (std::uint32_t i = 0; i < 2; ++i)
    if (const auto term = tape.input_gradient(record, i))
      CLADE_KERNEL(scale_into)(tape.stream(), 1.0f, tape.output_gradient(record), term->mode, term->view);
}

constexpr OpInfo kAdd{"add", add_backward};

struct SliceAttributes {
  std::int64_t offset;
};

void slice_backward(Tape& tape, const Record& record) {
  const auto x = tape.input_gradient(record, 0);
  if (!x) return;
  // The slice is a part of x, so the first writer clears the rest.
  if (x->mode == WriteMode::overwrite) CLADE_KERNEL(fill)(tape.stream(), 0.0f, x->view);
  const View<float> dy = tape.output_gradient(record);
  const View<float> part(x->view.data + record.get<SliceAttributes>().offset, dy.shape);
  CLADE_KERNEL(scale_into)(tape.stream(), 1.0f, dy, WriteMode::accumulate, part);
}

constexpr OpInfo kSlice{"slice", slice_backward};

void stack_backward(Tape& tape, const Record& record) {
  const View<float> dy = tape.output_gradient(record);
  std::int64_t offset = 0;
  for (std::uint32_t i = 0; i < record.input_count; ++i) {
    const Shape& shape = tape.shape(tape.input(record, i));
    if (const auto part = tape.input_gradient(record, i))
      CLADE_KERNEL(scale_into)(tape.stream(), 1.0f, View<const float>(dy.data + offset, shape), part->mode, part->view);
    offset += shape.size();
  }
}

constexpr OpInfo kStack{"stack", stack_backward};

}  // namespace

Var instance_norm(Tape& tape, Var x, Activation activation) {
  const Shape& shape = tape.shape(x);
  CLADE_CHECK(shape.rank() == 5, ErrorCode::internal, "instance_norm of ", shape);
  const View<float> y = tape.allocate(shape);
  const View<float> statistics = tape.allocate({shape[0], shape[1], shape[4], 2});
  CLADE_KERNEL(instance_norm_forward)(tape.stream(), kInstanceNormEpsilon, activation, tape.value(x), y, statistics);
  return tape.push(kInstanceNorm, std::array{x}, y, InstanceNormAttributes{activation, statistics});
}

Var add(Tape& tape, Var a, Var b) {
  CLADE_CHECK(tape.shape(a) == tape.shape(b), ErrorCode::internal, "add of ", tape.shape(a), " and ", tape.shape(b));
  const View<float> sum = tape.allocate(tape.shape(a));
  CLADE_KERNEL(add)(tape.stream(), tape.value(a), tape.value(b), sum);
  return tape.push(kAdd, std::array{a, b}, sum, NoAttributes{});
}

Var slice(Tape& tape, Var x, int net, int first, int count) {
  const Shape& shape = tape.shape(x);
  CLADE_CHECK(shape.rank() == 5 && net >= 0 && net < shape[0] && first >= 0 && count > 0 && first + count <= shape[1],
              ErrorCode::internal, "slice of net ", net, ", samples ", first, " to ", first + count, " of ", shape);
  const std::int64_t sample = shape[2] * shape[3] * shape[4];
  const std::int64_t offset = (net * shape[1] + first) * sample;
  const View<const float> part(tape.value(x).data + offset, {1, count, shape[2], shape[3], shape[4]});
  return tape.push(kSlice, std::array{x}, part, SliceAttributes{offset});
}

Var stack(Tape& tape, std::span<const Var> parts, const Shape& shape) {
  std::int64_t total = 0;
  for (Var part : parts) total += tape.shape(part).size();
  CLADE_CHECK(total == shape.size(), ErrorCode::internal, "stack of ", total, " values into ", shape);
  const View<float> whole = tape.allocate(shape);
  float* out = whole.data;
  for (Var part : parts) {
    const View<const float> value = tape.value(part);
    CLADE_KERNEL(scale_into)(tape.stream(), 1.0f, value, WriteMode::overwrite, View<float>(out, value.shape));
    out += value.size();
  }
  return tape.push(kStack, parts, whole, NoAttributes{});
}

}  // namespace clade
