# SPDX-License-Identifier: Apache-2.0
# nifticlib (its NIfTI-1 and NIfTI-2 reader) as the target clade_nifti.
find_path(NIFTI2_INCLUDE_DIR nifti2_io.h PATH_SUFFIXES nifti REQUIRED)
find_library(NIFTI2_LIBRARY nifti2 REQUIRED)
find_library(ZNZ_LIBRARY znz REQUIRED)
add_library(clade_nifti INTERFACE)
target_include_directories(clade_nifti SYSTEM INTERFACE $<BUILD_INTERFACE:${NIFTI2_INCLUDE_DIR}>)
target_link_libraries(clade_nifti INTERFACE ${NIFTI2_LIBRARY} ${ZNZ_LIBRARY} ZLIB::ZLIB m)
