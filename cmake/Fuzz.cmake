# SPDX-License-Identifier: Apache-2.0
# Coverage for libFuzzer, and sanitizers that stop at the first finding, in everything we compile ourselves.
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  message(FATAL_ERROR "CLADE_FUZZ needs Clang: -DCMAKE_CXX_COMPILER=clang++")
endif()
# A double that no integer holds is undefined to cast; UndefinedBehaviorSanitizer looks at that only when asked.
set(sanitizers address,undefined,float-cast-overflow)
target_compile_options(clade_flags INTERFACE -fsanitize=fuzzer-no-link,${sanitizers} -fno-sanitize-recover=all
                       -fno-omit-frame-pointer -g1)
target_link_options(clade_flags INTERFACE -fsanitize=${sanitizers})
