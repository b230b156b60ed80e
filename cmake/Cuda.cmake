# SPDX-License-Identifier: Apache-2.0
# The CUDA backend: clade_enable_cuda(<library>) adds it to the library as CLADE_CUDA says.
#   ON       compiled by nvcc for the GPUs of CLADE_CUDA_ARCHITECTURES, with PTX of the last one for newer ones
#   EMULATE  the same files compiled as C++, every CUDA thread a fiber (docs/cuda-emulation.md); for tests only
#   OFF      no CUDA
#   AUTO     ON where nvcc 12 or newer is found, else OFF
set(CLADE_CUDA AUTO CACHE STRING "CUDA backend: AUTO, ON, OFF or EMULATE")
set_property(CACHE CLADE_CUDA PROPERTY STRINGS AUTO ON OFF EMULATE)
set(CLADE_CUDA_ARCHITECTURES "80-real;86-real;90" CACHE STRING "Compute capabilities to compile for")

if(CLADE_CUDA STREQUAL "AUTO")
  include(CheckLanguage)
  check_language(CUDA)
  set(CLADE_CUDA_MODE OFF)
  if(CMAKE_CUDA_COMPILER)
    execute_process(COMMAND ${CMAKE_CUDA_COMPILER} --version OUTPUT_VARIABLE nvcc_version)
    if(nvcc_version MATCHES "release ([0-9]+)\\." AND CMAKE_MATCH_1 GREATER_EQUAL 12)
      set(CLADE_CUDA_MODE ON)
    else()
      message(STATUS "CLADE: ${CMAKE_CUDA_COMPILER} is too old for C++20; it is not used")
    endif()
  endif()
else()
  set(CLADE_CUDA_MODE ${CLADE_CUDA})
endif()

if(CLADE_CUDA_MODE STREQUAL "ON")
  set(CMAKE_CUDA_ARCHITECTURES ${CLADE_CUDA_ARCHITECTURES})
  enable_language(CUDA)
  find_package(CUDAToolkit REQUIRED)
endif()
message(STATUS "CLADE: CUDA backend ${CLADE_CUDA_MODE}")

function(clade_enable_cuda library)
  file(GLOB cuda_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/cuda/*.cu)
  if(CLADE_CUDA_MODE STREQUAL "ON")
    target_sources(${library} PRIVATE ${PROJECT_SOURCE_DIR}/core/cuda_api.cpp ${cuda_sources})
    # Older CMakes do not know how newer nvccs are told the standard.
    target_compile_options(${library} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20>)
    target_link_libraries(${library} PRIVATE CUDA::cudart_static)
    target_compile_definitions(${library} PUBLIC CLADE_HAS_CUDA)
  elseif(CLADE_CUDA_MODE STREQUAL "EMULATE")
    find_package(Boost REQUIRED COMPONENTS context)
    file(GLOB emulation_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/emulation/*.cpp)
    # -x c++ because the compiler does not know what a .cu file is.
    set_source_files_properties(${cuda_sources} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "-x;c++;-Wno-unknown-pragmas")
    # Most of the time goes here, and none of it touches the memory of kernels itself (copies go through memcpy, which
    # the sanitizer watches).
    set_source_files_properties(${PROJECT_SOURCE_DIR}/kernels/emulation/mma.cpp
                                ${PROJECT_SOURCE_DIR}/kernels/emulation/block.cpp PROPERTIES COMPILE_OPTIONS
                                "-O2;-fno-sanitize=all")
    target_sources(${library} PRIVATE ${PROJECT_SOURCE_DIR}/core/cuda_api.cpp ${cuda_sources} ${emulation_sources})
    # Its <cuda_runtime.h> stands in for the toolkit's.
    target_include_directories(${library} SYSTEM BEFORE PUBLIC
                               $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/kernels/emulation/include>)
    target_link_libraries(${library} PRIVATE Boost::context)
    target_compile_definitions(${library} PUBLIC CLADE_HAS_CUDA CLADE_CUDA_EMULATION)
  else()
    target_sources(${library} PRIVATE ${PROJECT_SOURCE_DIR}/core/cuda_api_none.cpp)
  endif()
endfunction()
