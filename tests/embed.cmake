# SPDX-License-Identifier: Apache-2.0
# Configures, builds and runs the examples of embedding as their users would, in WORK_DIR/MODE.
#   MODE=install       examples/embed against an installation made from BUILD_DIR
#   MODE=subdirectory  examples/embed with CLADE built along (without CUDA: what is tested is how projects nest)
#   MODE=itk           examples/itk against the installation of MODE=install
# Also needs SOURCE_DIR, GENERATOR, CXX_COMPILER and MODEL.
cmake_minimum_required(VERSION 3.22)
set(prefix ${WORK_DIR}/install/prefix)
set(build ${WORK_DIR}/${MODE}/build)

# Runs a command; its output is in `output`.
function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE result OUTPUT_VARIABLE text ERROR_VARIABLE text)
  if(NOT result EQUAL 0)
    list(JOIN ARGV " " command)
    message(FATAL_ERROR "${command}\nfailed (${result}):\n${text}")
  endif()
  set(output "${text}" PARENT_SCOPE)
endfunction()

# Fails when an installed text names the folders that CLADE was built in.
function(check_relocatable)
  file(GLOB_RECURSE files ${prefix}/*.cmake ${prefix}/*.pc ${prefix}/*.h ${prefix}/*.hpp)
  foreach(file IN LISTS files)
    file(READ ${file} contents)
    string(REPLACE "${prefix}" "" contents "${contents}")
    foreach(folder ${SOURCE_DIR} ${BUILD_DIR})
      string(FIND "${contents}" "${folder}" place)
      if(NOT place EQUAL -1)
        message(FATAL_ERROR "${file} names ${folder}")
      endif()
    endforeach()
  endforeach()
endfunction()

set(example embed)
set(settings -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH=${prefix})
if(MODE STREQUAL "install")
  file(REMOVE_RECURSE ${WORK_DIR}/install)
  foreach(component library development)
    run(${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${prefix} --component ${component})
  endforeach()
  check_relocatable()
elseif(MODE STREQUAL "subdirectory")
  # Unoptimised and for one level of instructions: the library is compiled once more for this.
  set(settings -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG=-O0 -DCLADE_SOURCE_DIR=${SOURCE_DIR} -DCLADE_CUDA=OFF
      -DCLADE_INSTRUCTIONS=native)
else()
  set(example itk)
endif()

run(${CMAKE_COMMAND} -S ${SOURCE_DIR}/examples/${example} -B ${build} -G ${GENERATOR}
    -DCMAKE_CXX_COMPILER=${CXX_COMPILER} "-DCMAKE_C_FLAGS=-Wall -Wextra -Wpedantic -Werror" ${settings})
if(output MATCHES "ITK is not installed")
  message(STATUS "skipped: ITK is not installed")
  return()
endif()
run(${CMAKE_COMMAND} --build ${build} --parallel)
if(MODE STREQUAL "itk")
  run(${build}/resolve_image ${MODEL})
else()
  set(files ${build}/before.nii.gz ${build}/after.nii.gz)
  run(${build}/resolve_buffer ${MODEL} ${files})
  run(${build}/resolve_file ${MODEL} ${files})
  # Exceptions become statuses inside the shared library, whose symbols are hidden.
  execute_process(COMMAND ${build}/resolve_buffer missing.safetensors ${files} RESULT_VARIABLE result ERROR_QUIET)
  if(NOT result EQUAL 4)
    message(FATAL_ERROR "a model that is not there ends in ${result}, expected 4")
  endif()
endif()
