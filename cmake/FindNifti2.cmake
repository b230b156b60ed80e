# SPDX-License-Identifier: Apache-2.0
# nifticlib (its NIfTI-1 and NIfTI-2 reader) as the target clade_nifti. Installed with the package, which looks for
# nifticlib where it is used: no path of the machine that built it is kept.
include(FindPackageHandleStandardArgs)
find_path(NIFTI2_INCLUDE_DIR nifti2_io.h PATH_SUFFIXES nifti)
find_library(NIFTI2_LIBRARY nifti2)
find_library(ZNZ_LIBRARY znz)
mark_as_advanced(NIFTI2_INCLUDE_DIR NIFTI2_LIBRARY ZNZ_LIBRARY)
find_package_handle_standard_args(Nifti2 REQUIRED_VARS NIFTI2_LIBRARY ZNZ_LIBRARY NIFTI2_INCLUDE_DIR)
if(Nifti2_FOUND AND NOT TARGET clade_nifti)
  add_library(clade_nifti INTERFACE IMPORTED)
  target_include_directories(clade_nifti SYSTEM INTERFACE ${NIFTI2_INCLUDE_DIR})
  target_link_libraries(clade_nifti INTERFACE ${NIFTI2_LIBRARY} ${ZNZ_LIBRARY} ZLIB::ZLIB m)
endif()
