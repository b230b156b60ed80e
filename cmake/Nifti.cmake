# SPDX-License-Identifier: Apache-2.0
# nifticlib (its NIfTI-1 and NIfTI-2 reader) as the target clade_nifti. The installed package looks for it in the same
# way, so no path of the machine that built it gets into the package.
find_path(NIFTI2_INCLUDE_DIR nifti2_io.h PATH_SUFFIXES nifti REQUIRED)
find_library(NIFTI2_LIBRARY nifti2 REQUIRED)
find_library(ZNZ_LIBRARY znz REQUIRED)
mark_as_advanced(NIFTI2_INCLUDE_DIR NIFTI2_LIBRARY ZNZ_LIBRARY)
if(NOT TARGET clade_nifti)
  add_library(clade_nifti INTERFACE IMPORTED)
  target_include_directories(clade_nifti SYSTEM INTERFACE ${NIFTI2_INCLUDE_DIR})
  target_link_libraries(clade_nifti INTERFACE ${NIFTI2_LIBRARY} ${ZNZ_LIBRARY} ZLIB::ZLIB m)
endif()
