# SPDX-License-Identifier: Apache-2.0
# CLADE_INSTRUCTION_FLAGS: the widest level of x86-64 (psABI) that this processor has, from AVX2 with FMA on. A build is
# for processors like this one, unless CLADE_PORTABLE says that it may not be.
set(CLADE_INSTRUCTION_FLAGS "")
if(NOT CLADE_PORTABLE AND NOT CMAKE_CROSSCOMPILING AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  include(CheckCXXSourceRuns)
  function(clade_has_instructions variable)
    list(TRANSFORM ARGN REPLACE "(.+)" "__builtin_cpu_supports(\"\\1\")")
    list(JOIN ARGN " && " supported)
    check_cxx_source_runs("int main() { return ${supported} ? 0 : 1; }" ${variable})
  endfunction()
  clade_has_instructions(CLADE_HAVE_X86_64_V3 avx2 fma bmi bmi2)
  clade_has_instructions(CLADE_HAVE_X86_64_V4 avx2 fma bmi bmi2 avx512f avx512bw avx512cd avx512dq avx512vl)
  if(CLADE_HAVE_X86_64_V4)
    set(CLADE_INSTRUCTION_FLAGS -march=x86-64-v4)
  elseif(CLADE_HAVE_X86_64_V3)
    set(CLADE_INSTRUCTION_FLAGS -march=x86-64-v3)
  endif()
endif()
