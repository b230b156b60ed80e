# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` puts where. Components: runtime (programs, documentation), library (the shared C library),
# development (headers, the static library, CMake package, examples).
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/clade)

install(DIRECTORY api/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
install(TARGETS clade EXPORT clade ARCHIVE COMPONENT development INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT clade FILE cladeTargets.cmake NAMESPACE clade:: DESTINATION ${package_dir} COMPONENT development)
if(TARGET clade_c)
  install(TARGETS clade_c EXPORT clade_c LIBRARY COMPONENT library NAMELINK_COMPONENT development
          INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(EXPORT clade_c FILE clade_cTargets.cmake NAMESPACE clade:: DESTINATION ${package_dir} COMPONENT development)
  # Its prefix is asked for at installation, as --prefix may change it.
  install(CODE "set(CMAKE_INSTALL_LIBDIR \"${CMAKE_INSTALL_LIBDIR}\")
                set(CMAKE_INSTALL_INCLUDEDIR \"${CMAKE_INSTALL_INCLUDEDIR}\")
                set(PROJECT_DESCRIPTION \"${PROJECT_DESCRIPTION}\")
                set(PROJECT_VERSION \"${PROJECT_VERSION}\")
                configure_file(\"${PROJECT_SOURCE_DIR}/cmake/clade_c.pc.in\"
                               \"${PROJECT_BINARY_DIR}/clade_c.pc\" @ONLY)" COMPONENT development)
  install(FILES ${PROJECT_BINARY_DIR}/clade_c.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
endif()

configure_package_config_file(cmake/cladeConfig.cmake.in ${PROJECT_BINARY_DIR}/cladeConfig.cmake
                              INSTALL_DESTINATION ${package_dir} NO_SET_AND_CHECK_MACRO)
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/cladeConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/cladeConfig.cmake ${PROJECT_BINARY_DIR}/cladeConfigVersion.cmake
              cmake/FindNifti2.cmake DESTINATION ${package_dir} COMPONENT development)

install(FILES README.md CHANGELOG.md CITATION.cff LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT runtime)
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT runtime)
install(DIRECTORY examples DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT development)
if(CLADE_TOOLS)
  include(cmake/ManPages.cmake)
endif()

include(cmake/Package.cmake)
