# SPDX-License-Identifier: Apache-2.0
# Fails when code for one level of instructions can be run on a processor of a lower one. Needs NM, OBJDUMP, FOLDER (of
# the merged kernels), LEVELS and BASELINE_OBJECTS, a file that lists the object files of the library.
cmake_minimum_required(VERSION 3.22)

# Whether the object files (or @list) contain AVX: all of its mnemonics begin with a v, none of the baseline's do.
function(has_avx variable)
  execute_process(COMMAND ${OBJDUMP} --disassemble --no-show-raw-insn ${ARGN}
                  COMMAND grep --max-count=1 --perl-regexp "\\tv[a-z]" RESULTS_VARIABLE results OUTPUT_VARIABLE line)
  if(results MATCHES ";0$")  # objdump may die of a reader that found what it wants
    set(${variable} ON PARENT_SCOPE)
    message(STATUS "${ARGN}: ${line}")
  elseif(results STREQUAL "0;1")
    set(${variable} OFF PARENT_SCOPE)
  else()
    message(FATAL_ERROR "cannot look for instructions in ${ARGN}: ${results}")
  endif()
endfunction()

file(STRINGS ${BASELINE_OBJECTS} objects)
list(LENGTH objects count)
if(count EQUAL 0)
  message(FATAL_ERROR "${BASELINE_OBJECTS} names no object files")
endif()
has_avx(avx @${BASELINE_OBJECTS})
if(avx)
  message(SEND_ERROR "code outside of kernels/cpu is compiled for more than the baseline")
endif()

foreach(level IN LISTS LEVELS)
  string(MAKE_C_IDENTIFIER clade_cpu_${level} table)
  set(object ${FOLDER}/${table}.o)
  # Nothing that the linker could share with other levels...
  execute_process(COMMAND ${NM} --defined-only --extern-only --format=posix ${object} OUTPUT_VARIABLE symbols
                  COMMAND_ERROR_IS_FATAL ANY)
  if(NOT symbols MATCHES "^${table} [DR] [^\n]*\n$")
    message(SEND_ERROR "${object} defines more than its table of kernels:\n${symbols}")
  endif()
  # ... and nothing that runs before a level is chosen.
  execute_process(COMMAND ${OBJDUMP} --section-headers ${object} OUTPUT_VARIABLE sections COMMAND_ERROR_IS_FATAL ANY)
  if(sections MATCHES "\\.(init_array|ctors|preinit_array)")
    message(SEND_ERROR "${object} has static initialisers")
  endif()
  has_avx(avx ${object})
  if(avx AND level STREQUAL "baseline")
    message(SEND_ERROR "the kernels for the baseline use AVX")
  elseif(NOT avx AND NOT level STREQUAL "baseline")
    message(SEND_ERROR "the kernels for ${level} use no AVX")
  endif()
endforeach()
