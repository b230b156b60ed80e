# SPDX-License-Identifier: Apache-2.0
# Configures, builds and runs examples/embed as its users would, in WORK_DIR.
#   MODE=install       against an installation made from BUILD_DIR
#   MODE=subdirectory  with CLADE built along (without CUDA; what is tested is how projects nest)
# Also needs SOURCE_DIR, GENERATOR, CXX_COMPILER and MODEL.
cmake_minimum_required(VERSION 3.22)

function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    list(JOIN ARGV " " command)
    message(FATAL_ERROR "${command}\nfailed (${result}):\n${output}")
  endif()
endfunction()

if(MODE STREQUAL "install")
  file(REMOVE_RECURSE ${WORK_DIR})
  set(prefix ${WORK_DIR}/prefix)
  run(${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${prefix} --component development)
  run(${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${prefix} --component library)
  # Nothing may point back to where CLADE was built.
  file(GLOB_RECURSE texts ${prefix}/*.cmake ${prefix}/*.pc ${prefix}/*.h ${prefix}/*.hpp)
  foreach(text IN LISTS texts)
    file(READ ${text} contents)
    string(REPLACE "${prefix}" "" contents "${contents}")
    foreach(folder ${SOURCE_DIR} ${BUILD_DIR})
      string(FIND "${contents}" "${folder}" place)
      if(NOT place EQUAL -1)
        message(FATAL_ERROR "${text} names ${folder}")
      endif()
    endforeach()
  endforeach()
  set(where -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH=${prefix})
else()
  # Unoptimised: the library is compiled once more for this.
  set(where -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG=-O0 -DCLADE_SOURCE_DIR=${SOURCE_DIR} -DCLADE_CUDA=OFF)
endif()

run(${CMAKE_COMMAND} -S ${SOURCE_DIR}/examples/embed -B ${WORK_DIR}/build -G ${GENERATOR}
    -DCMAKE_CXX_COMPILER=${CXX_COMPILER} "-DCMAKE_C_FLAGS=-Wall -Wextra -Wpedantic -Werror" ${where})
run(${CMAKE_COMMAND} --build ${WORK_DIR}/build --parallel)
set(files ${WORK_DIR}/before.nii.gz ${WORK_DIR}/after.nii.gz)
run(${WORK_DIR}/build/resolve_buffer ${MODEL} ${files})
run(${WORK_DIR}/build/resolve_file ${MODEL} ${files})
message(STATUS "examples/embed (${MODE}) builds and runs")
