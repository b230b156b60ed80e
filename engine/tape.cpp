// SPDX-License-Identifier: Apache-2.0
#include "engine/tape.h"

#include <algorithm>
#include <utility>

#include "kernels/dispatch.h"

namespace clade {

Var Tape::add_slot(View<const float> value, View<float> gradient) {
  Slot slot;
  slot.value = value;
  slot.gradient = gradient;
  slots_.push_back(slot);
  return Var{static_cast<std::int32_t>(slots_.size()) - 1};
}

Var Tape::constant(View<const float> value) { return add_slot(value, {}); }

Var Tape::parameter(View<const float> value, View<float> gradient) {
  CLADE_CHECK(value.shape == gradient.shape, ErrorCode::internal, "parameter of shape ", value.shape,
              " with a gradient of shape ", gradient.shape);
  return add_slot(value, gradient);
}

Var Tape::append(const OpInfo& info, std::span<const Var> inputs, View<const float> output, const void* attributes) {
  const Var var = add_slot(output, {});
  if (mode_ == Mode::record) {
    Record record;
    record.info = &info;
    record.output = var;
    record.first_input = static_cast<std::uint32_t>(inputs_.size());
    record.input_count = static_cast<std::uint32_t>(inputs.size());
    record.attributes = attributes;
    inputs_.insert(inputs_.end(), inputs.begin(), inputs.end());
    records_.push_back(record);
  }
  return var;
}

std::optional<GradientTarget> Tape::input_gradient(const Record& record, std::uint32_t i) {
  Slot& target = slot(input(record, i));
  if (!target.wanted) return std::nullopt;
  if (!target.gradient) target.gradient = allocate(target.value.shape);
  const auto mode = target.written ? kernels::WriteMode::accumulate : kernels::WriteMode::overwrite;
  target.written = true;
  return GradientTarget{target.gradient, mode};
}

std::optional<Tape::Uses> Tape::gathered_gradient(const Record& record, std::uint32_t i) {
  Slot& target = slot(input(record, i));
  if (!target.wanted) return std::nullopt;
  CLADE_CHECK(target.gathered.empty() || target.gathered.front()->info == record.info, ErrorCode::internal,
              "uses of one value by ", target.gathered.front()->info->name, " and ", record.info->name,
              " do not gather");
  target.gathered.push_back(&record);
  if (--target.uses > 0) return std::nullopt;
  return Uses{std::exchange(target.gathered, {}), *input_gradient(record, i)};
}

void Tape::count_uses(Var root) {
  for (Slot& s : slots_) s.uses = s.readers = 0;
  std::vector<bool> reached(slots_.size());
  reached[static_cast<std::size_t>(root.index)] = true;
  for (auto record = records_.rbegin(); record != records_.rend(); ++record) {
    if (!slot(record->output).wanted || !reached[static_cast<std::size_t>(record->output.index)]) continue;
    for (std::uint32_t i = 0; i < record->input_count; ++i) {
      const Var var = input(*record, i);
      reached[static_cast<std::size_t>(var.index)] = true;
      ++slot(var).uses;
      ++slot(var).readers;
    }
  }
}

void Tape::backward(Var root, std::span<const Var> targets, const std::function<void(std::size_t)>& finished) {
  CLADE_CHECK(mode_ == Mode::record, ErrorCode::internal, "backward on a tape that does not record");
  CLADE_CHECK(shape(root).size() == 1, ErrorCode::internal, "backward from a value of shape ", shape(root));
  for (Slot& s : slots_) {
    s.wanted = s.written = false;
    s.gathered.clear();  // a sweep that threw may have left some
  }
  for (Var target : targets) slot(target).wanted = true;
  for (const Record& record : records_)
    for (std::uint32_t i = 0; i < record.input_count && !slot(record.output).wanted; ++i)
      slot(record.output).wanted = slot(input(record, i)).wanted;

  count_uses(root);
  Slot& start = slot(root);
  if (start.wanted) {
    if (!start.gradient) start.gradient = allocate(start.value.shape);
    CLADE_KERNEL(fill)(stream_, 1.0f, start.gradient);
    start.written = true;
  }
  std::vector<std::int64_t> number_of(finished ? slots_.size() : 0, -1);
  for (std::size_t i = 0; i < targets.size() && finished; ++i)
    number_of[static_cast<std::size_t>(targets[i].index)] = static_cast<std::int64_t>(i);
  for (auto record = records_.rbegin(); record != records_.rend(); ++record) {
    if (!slot(record->output).wanted || !slot(record->output).written) continue;
    record->info->backward(*this, *record);
    for (std::uint32_t i = 0; i < record->input_count && finished; ++i) {
      const Var var = input(*record, i);
      const std::int64_t number = number_of[static_cast<std::size_t>(var.index)];
      if (--slot(var).readers == 0 && number >= 0) finished(static_cast<std::size_t>(number));
    }
  }
  for (const Slot& s : slots_)
    CLADE_CHECK(s.gathered.empty(), ErrorCode::internal, "uses of one value by ", s.gathered.front()->info->name,
                " wait for one by an op that does not gather");

  for (std::size_t i = 0; i < targets.size(); ++i) {
    Slot& target = slot(targets[i]);
    if (target.written) continue;
    if (!target.gradient) target.gradient = allocate(target.value.shape);
    CLADE_KERNEL(fill)(stream_, 0.0f, target.gradient);
    target.written = true;
    if (finished) finished(i);
  }
}

View<const float> Tape::gradient(Var var) const {
  const Slot& s = slot(var);
  return s.written ? View<const float>(s.gradient) : View<const float>();
}

}  // namespace clade
