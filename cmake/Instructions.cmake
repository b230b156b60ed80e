# SPDX-License-Identifier: Apache-2.0
# Which levels of x86-64 (psABI) kernels/cpu is compiled for. All other code is compiled for the baseline, so that one
# binary runs anywhere and chooses its kernels there (kernels/instructions.h).
#   all     baseline, x86-64-v3 (AVX2, FMA) and x86-64-v4 (AVX-512)
#   native  the highest of them that this machine has: compiles sooner, and ends with an error on lesser processors
# Inline functions and templates would break this: the linker keeps one copy of each, perhaps that with AVX-512, for all.
# So the object files of a level are merged into one whose only visible symbol is the table of its kernels.
#
# Without GNU ld and objcopy, on other architectures, with sanitizers and in emulation there is one level, that of this
# machine, for all code.
set(CLADE_INSTRUCTIONS all CACHE STRING "Levels of x86-64 that the CPU kernels are compiled for: all or native")
set_property(CACHE CLADE_INSTRUCTIONS PROPERTY STRINGS all native)
if(NOT CLADE_INSTRUCTIONS MATCHES "^(all|native)$")
  message(FATAL_ERROR "CLADE_INSTRUCTIONS is ${CLADE_INSTRUCTIONS}, not all or native")
endif()

set(CLADE_FLAGS_baseline "")
set(CLADE_FLAGS_x86-64-v3 -march=x86-64-v3)
set(CLADE_FLAGS_x86-64-v4 -march=x86-64-v4)

# Levels that this machine has, lowest first.
set(CLADE_LEVELS_HERE baseline)
if(NOT CMAKE_CROSSCOMPILING AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  include(CheckCXXSourceRuns)
  function(clade_has_instructions variable)
    list(TRANSFORM ARGN REPLACE "(.+)" "__builtin_cpu_supports(\"\\1\")")
    list(JOIN ARGN " && " supported)
    check_cxx_source_runs("int main() { return ${supported} ? 0 : 1; }" ${variable})
  endfunction()
  clade_has_instructions(CLADE_HAVE_X86_64_V3 avx2 fma bmi bmi2)
  clade_has_instructions(CLADE_HAVE_X86_64_V4 avx2 fma bmi bmi2 avx512f avx512bw avx512cd avx512dq avx512vl)
  if(CLADE_HAVE_X86_64_V3)
    list(APPEND CLADE_LEVELS_HERE x86-64-v3)
  endif()
  if(CLADE_HAVE_X86_64_V4)
    list(APPEND CLADE_LEVELS_HERE x86-64-v4)
  endif()
endif()
list(GET CLADE_LEVELS_HERE -1 CLADE_LEVELS)

# CLADE_ISOLATED: levels can be kept apart. Configurations of one build folder would share the merged files.
set(CLADE_ISOLATED OFF)
get_property(multi_config GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64" AND CMAKE_SIZEOF_VOID_P EQUAL 8 AND NOT multi_config
   AND NOT CLADE_SANITIZE AND NOT CLADE_FUZZ AND NOT CLADE_CUDA_MODE STREQUAL "EMULATE")
  find_program(CLADE_LD NAMES ld.bfd ld DOC "GNU ld")
  if(CLADE_LD AND CMAKE_OBJCOPY)
    execute_process(COMMAND ${CLADE_LD} --help OUTPUT_VARIABLE help)
    if(help MATCHES "--force-group-allocation")
      set(CLADE_ISOLATED ON)
    endif()
  endif()
endif()
if(CLADE_ISOLATED AND CLADE_INSTRUCTIONS STREQUAL "all")
  set(CLADE_LEVELS baseline x86-64-v3 x86-64-v4)
endif()
list(JOIN CLADE_LEVELS ", " levels)
message(STATUS "CLADE: CPU kernels for ${levels}")

# The names of the kernels, for kernels/instructions.h.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/kernel_list.h)
file(STRINGS kernels/kernel_list.h CLADE_KERNEL_NAMES REGEX "^void [a-z0-9_]+\\(")
list(TRANSFORM CLADE_KERNEL_NAMES REPLACE "^void ([a-z0-9_]+).*" "CLADE_KERNEL_NAME(\\1)")
list(JOIN CLADE_KERNEL_NAMES "\n" CLADE_KERNEL_NAMES)
file(CONFIGURE OUTPUT generated/kernels/kernel_names.inc CONTENT "@CLADE_KERNEL_NAMES@\n" @ONLY)

# clade_add_cpu_kernels(<library>): kernels/cpu for every level.
function(clade_add_cpu_kernels library)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/cpu/*.cpp)
  set(tables "")
  foreach(level IN LISTS CLADE_LEVELS)
    string(MAKE_C_IDENTIFIER clade_cpu_${level} table)
    list(APPEND tables "&${table}")
    set(objects clade_cpu_${level})
    add_library(${objects} OBJECT ${sources})
    target_link_libraries(${objects} PRIVATE clade_flags Eigen3::Eigen)
    target_include_directories(${objects} PRIVATE $<TARGET_PROPERTY:${library},INTERFACE_INCLUDE_DIRECTORIES>)
    target_compile_definitions(${objects} PRIVATE $<TARGET_PROPERTY:${library},INTERFACE_COMPILE_DEFINITIONS>
                               CLADE_CPU_TABLE=${table} CLADE_CPU_LEVEL="${level}")
    set_target_properties(${objects} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    if(level STREQUAL "x86-64-v4" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      # GCC's own headers of AVX-512 begin with values that nobody set.
      target_compile_options(${objects} PRIVATE -Wno-maybe-uninitialized -Wno-uninitialized)
    endif()
    if(NOT CLADE_ISOLATED)
      target_sources(${library} PRIVATE $<TARGET_OBJECTS:${objects}>)
      continue()
    endif()
    # Symbols that are unique in the process cannot be made local; link-time optimisation would look past them.
    target_compile_options(${objects} PRIVATE ${CLADE_FLAGS_${level}} -fno-lto
                           $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique>)
    set(merged ${PROJECT_BINARY_DIR}/${table}.o)
    add_custom_command(
      OUTPUT ${merged}
      COMMAND ${CLADE_LD} -r --force-group-allocation -o ${merged} $<TARGET_OBJECTS:${objects}>
      COMMAND ${CMAKE_OBJCOPY} --keep-global-symbol=${table} ${merged}
      DEPENDS ${objects} $<TARGET_OBJECTS:${objects}>
      COMMENT "Merging the kernels for ${level}" COMMAND_EXPAND_LISTS VERBATIM)
    set_source_files_properties(${merged} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
    target_sources(${library} PRIVATE ${merged})
  endforeach()
  list(JOIN tables "," tables)
  set_source_files_properties(${PROJECT_SOURCE_DIR}/kernels/instructions.cpp PROPERTIES COMPILE_DEFINITIONS
                              "CLADE_CPU_TABLES=${tables}")
endfunction()
