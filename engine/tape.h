// SPDX-License-Identifier: Apache-2.0
// Reverse-mode differentiation over a tape of plain records.
//
// An op computes its value at once and appends a record: a pointer to its OpInfo, the slots it read and wrote, and a
// trivially copyable attribute struct. `backward` walks the records in reverse and calls their backward functions, which
// ask the tape where each input's gradient goes and whether to overwrite or to add: nobody clears gradients first.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "core/stream.h"
#include "kernels/kernel_types.h"

namespace clade {

class Tape;

/// A value on a tape: an index, cheap to copy. Only meaningful with the tape that made it.
struct Var {
  std::int32_t index = -1;
  explicit operator bool() const { return index >= 0; }
};

struct Record;

/// What the tape knows of an op.
struct OpInfo {
  const char* name;
  void (*backward)(Tape& tape, const Record& record);
};

/// One executed op.
struct Record {
  const OpInfo* info = nullptr;
  Var output;
  std::uint32_t first_input = 0;  ///< into the tape's list of inputs
  std::uint32_t input_count = 0;
  const void* attributes = nullptr;  ///< in the tape's memory

  template <class Attributes>
  const Attributes& get() const {
    return *static_cast<const Attributes*>(attributes);
  }
};

/// Where a backward function writes the gradient of one input.
struct GradientTarget {
  View<float> view;
  kernels::WriteMode mode;
};

class Tape {
 public:
  enum class Mode {
    record,  ///< keep what backward needs
    forget   ///< inference: values only
  };

  /// Values and gradients live in `arena`, on the stream's device, until its owner resets it. Both outlive the tape.
  Tape(Stream& stream, Arena& arena, Mode mode = Mode::record) : stream_(stream), arena_(arena), mode_(mode) {}

  Stream& stream() const { return stream_; }
  Arena& arena() { return arena_; }

  /// A value that never gets a gradient. The memory stays the caller's.
  Var constant(View<const float> value);
  /// A value whose gradient goes to `gradient` when it is a target of `backward`.
  Var parameter(View<const float> value, View<float> gradient);

  View<const float> value(Var var) const { return slot(var).value; }
  const Shape& shape(Var var) const { return slot(var).value.shape; }

  /// d root / d target for every target, for a root of one element. Gradients of targets that the root does not depend
  /// on become zero. May be called several times on one tape, with other roots and targets: only what lies between the
  /// root and the targets is computed.
  /// `finished`, if given, is called once for every target (its number among them), as soon as its gradient is complete
  /// and its value is not needed any more: both may change then.
  void backward(Var root, std::span<const Var> targets, const std::function<void(std::size_t)>& finished = {});

  /// Gradient of a var after `backward`; empty if the sweep did not reach it.
  View<const float> gradient(Var var) const;

  // ---- for ops ----

  /// Memory for an output.
  View<float> allocate(const Shape& shape) { return arena_.view<float>(shape); }

  /// Registers the output of an op and, when recording, the op.
  template <class Attributes>
  Var push(const OpInfo& info, std::span<const Var> inputs, View<const float> output, const Attributes& attributes) {
    static_assert(std::is_trivially_copyable_v<Attributes> && std::is_trivially_destructible_v<Attributes>);
    const void* stored = mode_ == Mode::record ? new (attributes_.allocate(sizeof(Attributes))) Attributes(attributes) : nullptr;
    return append(info, inputs, output, stored);
  }

  Var input(const Record& record, std::uint32_t i) const { return inputs_[record.first_input + i]; }
  /// The finished gradient of the record's output; its op is the last reader, so it may overwrite it.
  View<float> output_gradient(const Record& record) const { return slot(record.output).gradient; }
  /// Where input `i` wants its gradient, or nothing when it is not wanted. Each call must be followed by a full write.
  std::optional<GradientTarget> input_gradient(const Record& record, std::uint32_t i);
  /// For ops that compute one gradient from all uses of an input at once: nothing until the last use in this sweep, then
  /// every record that asked, and the target of their sum. A use is an op that reads the input as its `i`th, and all
  /// uses must be of one op.
  struct Uses {
    std::vector<const Record*> records;
    GradientTarget target;
  };
  std::optional<Uses> gathered_gradient(const Record& record, std::uint32_t i);

 private:
  struct Slot {
    View<const float> value;
    View<float> gradient;  // memory is taken at the first sweep that needs it and kept
    bool wanted = false;   // lies between the targets and the root of the current sweep
    bool written = false;
    int uses = 0;                         // ops of the current sweep that will still ask for the gradient
    int readers = 0;                      // ops of the current sweep that are still to come
    std::vector<const Record*> gathered;  // those that asked and wait for the others
  };

  Slot& slot(Var var) { return slots_[static_cast<std::size_t>(var.index)]; }
  const Slot& slot(Var var) const { return slots_[static_cast<std::size_t>(var.index)]; }
  Var append(const OpInfo& info, std::span<const Var> inputs, View<const float> output, const void* attributes);
  void count_uses(Var root);
  Var add_slot(View<const float> value, View<float> gradient);

  Stream& stream_;
  Arena& arena_;
  Mode mode_;
  Arena attributes_;  // on the host
  std::vector<Slot> slots_;
  std::vector<Var> inputs_;
  std::vector<Record> records_;
};

}  // namespace clade
