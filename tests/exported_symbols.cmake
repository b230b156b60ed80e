# SPDX-License-Identifier: Apache-2.0
# Fails when a shared library exports anything but clade_*: cmake -DNM=... -DLIBRARY=... -P tests/exported_symbols.cmake
execute_process(COMMAND ${NM} --dynamic --defined-only --format=posix ${LIBRARY} OUTPUT_VARIABLE lines
                COMMAND_ERROR_IS_FATAL ANY)
string(REGEX REPLACE "\n$" "" lines "${lines}")
string(REPLACE "\n" ";" lines "${lines}")
set(count 0)
foreach(line IN LISTS lines)
  if(line MATCHES "^clade_[a-z_]+(@[^ ]*)? T ")
    math(EXPR count "${count} + 1")
  elseif(NOT line MATCHES "^CLADE_[0-9]+(@[^ ]*)? A ")  # the version itself
    message(SEND_ERROR "exported, but not part of the C API: ${line}")
  endif()
endforeach()
if(count EQUAL 0)
  message(FATAL_ERROR "${LIBRARY} exports nothing")
endif()
message(STATUS "${count} functions of the C API, nothing else")
