// SPDX-License-Identifier: Apache-2.0
#include "kernels/instructions.h"

#include <cstdlib>
#include <string_view>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

// Those that were built are defined by kernels/cpu/table.cpp, compiled once for each.
extern "C" {
[[gnu::visibility("hidden")]] extern const clade::kernels::CpuKernels clade_cpu_baseline, clade_cpu_x86_64_v3,
    clade_cpu_x86_64_v4;
}

namespace clade::kernels {

namespace {

constexpr const CpuKernels* kBuilt[] = {CLADE_CPU_TABLES};  // lowest first

#if defined(__x86_64__)
/// What __builtin_cpu_supports does not know in every compiler of ours.
bool has_movbe_f16c_lzcnt() {
  unsigned a = 0, b = 0, basic = 0, extended = 0, d = 0;
  return __get_cpuid(1, &a, &b, &basic, &d) != 0 && __get_cpuid(0x80000001, &a, &b, &extended, &d) != 0 &&
         (basic & bit_MOVBE) != 0 && (basic & bit_F16C) != 0 && (extended & bit_LZCNT) != 0;
}

bool processor_has(std::string_view level) {
  if (level == "baseline") return true;
  // These ask the operating system, too, whether it keeps the wide registers.
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
                  __builtin_cpu_supports("bmi2") && has_movbe_f16c_lzcnt();
  if (level == "x86-64-v3") return v3;
  return v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#else
bool processor_has(std::string_view) { return true; }
#endif

const CpuKernels& choose() {
  if (const char* wanted = std::getenv("CLADE_INSTRUCTIONS"); wanted != nullptr && *wanted != '\0') {
    for (const CpuKernels* kernels : kBuilt) {
      if (std::string_view(wanted) != kernels->level) continue;
      CLADE_CHECK(processor_has(wanted), ErrorCode::device, "CLADE_INSTRUCTIONS is ", wanted,
                  ", but this processor lacks instructions of that level");
      return *kernels;
    }
    fail(ErrorCode::usage, "CLADE_INSTRUCTIONS is ", wanted, "; this build has ", built_levels());
  }
  const CpuKernels* best = nullptr;
  for (const CpuKernels* kernels : kBuilt)
    if (processor_has(kernels->level)) best = kernels;
  CLADE_CHECK(best != nullptr, ErrorCode::device, "this processor lacks instructions of ", built_levels(),
              ", which this build of CLADE is for");
  return *best;
}

}  // namespace

const CpuKernels& cpu_kernels() {
  static const CpuKernels& chosen = choose();
  return chosen;
}

std::string built_levels() {
  std::string list;
  for (const CpuKernels* kernels : kBuilt) list += str(list.empty() ? "" : ", ", kernels->level);
  return list;
}

}  // namespace clade::kernels
