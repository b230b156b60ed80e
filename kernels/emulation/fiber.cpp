// SPDX-License-Identifier: Apache-2.0
#include "kernels/emulation/fiber.h"

#include <boost/context/fiber.hpp>
#include <boost/context/protected_fixedsize_stack.hpp>
#include <utility>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace clade::emulation {

namespace {
// AddressSanitizer makes frames several times as large.
#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t kStackBytes = std::size_t{512} << 10;
#else
constexpr std::size_t kStackBytes = std::size_t{128} << 10;
#endif
}  // namespace

// AddressSanitizer has to be told of every change of stacks.
struct Fiber::State {
  boost::context::fiber fiber, caller;
  const std::function<void()>* job = nullptr;
#if defined(__SANITIZE_ADDRESS__)
  const void* stack_bottom = nullptr;
  void* fiber_fake = nullptr;
  void* caller_fake = nullptr;
  const void* caller_bottom = nullptr;
  std::size_t caller_size = 0;

  void leave_caller() { __sanitizer_start_switch_fiber(&caller_fake, stack_bottom, kStackBytes); }
  void enter_caller() { __sanitizer_finish_switch_fiber(caller_fake, nullptr, nullptr); }
  void leave_fiber() { __sanitizer_start_switch_fiber(&fiber_fake, caller_bottom, caller_size); }
  void enter_fiber() { __sanitizer_finish_switch_fiber(fiber_fake, &caller_bottom, &caller_size); }
#else
  void leave_caller() {}
  void enter_caller() {}
  void leave_fiber() {}
  void enter_fiber() {}
#endif
};

Fiber::Fiber() : state_(std::make_unique<State>()) {
  State* state = state_.get();
  boost::context::protected_fixedsize_stack allocator(kStackBytes);
  const boost::context::stack_context stack = allocator.allocate();
#if defined(__SANITIZE_ADDRESS__)
  state->stack_bottom = static_cast<const char*>(stack.sp) - kStackBytes;
#endif
  state->fiber = boost::context::fiber(std::allocator_arg, boost::context::preallocated(stack.sp, stack.size, stack),
                                       allocator, [state](boost::context::fiber&& caller) -> boost::context::fiber {
                                         state->caller = std::move(caller);
                                         state->enter_fiber();
                                         for (;;) {
                                           (*state->job)();
                                           state->job = nullptr;
                                           state->leave_fiber();
                                           state->caller = std::move(state->caller).resume();
                                           state->enter_fiber();
                                         }
                                       });
}

// A job may be stuck half-way, so the stack cannot be unwound: what it holds goes with the process.
Fiber::~Fiber() {
  static auto* abandoned = new std::vector<State*>;
  abandoned->push_back(state_.release());
}

void Fiber::start(const std::function<void()>* job) { state_->job = job; }

void Fiber::resume() {
  state_->leave_caller();
  state_->fiber = std::move(state_->fiber).resume();
  state_->enter_caller();
}

bool Fiber::finished() const { return state_->job == nullptr; }

void Fiber::suspend() {
  state_->leave_fiber();
  state_->caller = std::move(state_->caller).resume();
  state_->enter_fiber();
}

}  // namespace clade::emulation
