# SPDX-License-Identifier: Apache-2.0
# `cpack -G DEB` makes clade (programs), libclade-c0 (the shared C library) and libclade-dev; `cpack -G TGZ` an archive.
set(CLADE_PACKAGE_MAINTAINER "CLADE contributors" CACHE STRING "Maintainer of the Debian packages, Name <address>")

set(CPACK_PACKAGE_NAME clade)
set(CPACK_PACKAGE_VENDOR CLADE)
set(CPACK_PACKAGE_CONTACT ${CLADE_PACKAGE_MAINTAINER})
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_GENERATOR TGZ)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL runtime library development)

# Read by cpack itself: a package must run on machines that lack this one's instructions.
set(CPACK_CLADE_LEVELS ${CLADE_LEVELS})
set(CPACK_PROJECT_CONFIG_FILE ${PROJECT_SOURCE_DIR}/cmake/PackageCheck.cmake)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME clade)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libclade-c${PROJECT_VERSION_MAJOR})
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libclade-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
# A static library has no dependencies that dpkg could find; these are what cladeConfig.cmake looks for. nifticlib's
# headers were in libnifti-dev before they got a package of their own.
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS
    "libclade-c${PROJECT_VERSION_MAJOR} (= ${PROJECT_VERSION}), libnifti2-dev | libnifti-dev, libpng-dev, zlib1g-dev")
set(CPACK_COMPONENT_RUNTIME_DESCRIPTION "Programs: clade_train, clade_sr, clade_eval and clade_smore. Research use only.")
set(CPACK_COMPONENT_LIBRARY_DESCRIPTION "Shared library of the C API. Research use only.")
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION "Headers, static library, CMake package and examples. Research use only.")

include(CPack)
