// SPDX-License-Identifier: Apache-2.0
// Stacks that can be left and come back to.
#pragma once

#include <functional>
#include <memory>

namespace clade::emulation {

/// Runs one job after another on a stack of its own.
class Fiber {
 public:
  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Gives the fiber its next job; it must have finished the last one.
  void start(const std::function<void()>* job);
  /// Runs until the job is done or calls suspend. Called on the thread's own stack.
  void resume();
  bool finished() const;

  /// Leaves the running fiber's stack; the next resume comes back here.
  void suspend();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace clade::emulation
