# SPDX-License-Identifier: Apache-2.0
# libclade_c: the C API with everything it needs, as a shared library that exports clade_* and nothing else.
add_library(clade_c SHARED api/c_api.cpp)
add_library(clade::clade_c ALIAS clade_c)
target_include_directories(clade_c PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/api/include>)
target_link_libraries(clade_c PRIVATE $<BUILD_INTERFACE:clade> $<BUILD_INTERFACE:clade_flags>)
target_link_options(clade_c PRIVATE -Wl,--version-script=${PROJECT_SOURCE_DIR}/api/clade_c.map -Wl,--no-undefined)
set_target_properties(clade_c PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
                      LINK_DEPENDS ${PROJECT_SOURCE_DIR}/api/clade_c.map
                      LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
