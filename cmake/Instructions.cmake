# SPDX-License-Identifier: Apache-2.0
# CLADE_INSTRUCTION_FLAGS: AVX2 and FMA code where the compiler targets x86-64 and this processor has them.
set(CLADE_INSTRUCTION_FLAGS "")
if(NOT CLADE_PORTABLE AND NOT CMAKE_CROSSCOMPILING AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  include(CheckCXXSourceRuns)
  check_cxx_source_runs("int main() { return __builtin_cpu_supports(\"avx2\") && __builtin_cpu_supports(\"fma\") ? 0 : 1; }"
                        CLADE_HAVE_X86_64_V3)
  if(CLADE_HAVE_X86_64_V3)
    set(CLADE_INSTRUCTION_FLAGS -march=x86-64-v3)
  endif()
endif()
