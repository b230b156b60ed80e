# SPDX-License-Identifier: Apache-2.0
# Manual pages from --help, where help2man is.
find_program(HELP2MAN help2man)
mark_as_advanced(HELP2MAN)
if(NOT HELP2MAN OR CMAKE_CROSSCOMPILING)
  message(STATUS "CLADE: no manual pages (they need help2man)")
  return()
endif()
set(clade_train_does "train an unpaired super-resolution network on anisotropic volumes")
set(clade_sr_does "super-resolve anisotropic CT and MRI volumes")
set(clade_eval_does "degrade volumes and score super-resolution")
set(clade_smore_does "super-resolve a volume with SMORE, to compare with")
set(pages "")
foreach(program clade_train clade_sr clade_eval clade_smore)
  set(page ${PROJECT_BINARY_DIR}/man/${program}.1)
  add_custom_command(OUTPUT ${page} DEPENDS ${program} VERBATIM
                     COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/man
                     COMMAND ${HELP2MAN} --no-info --no-discard-stderr --name=${${program}_does}
                             --version-string=${PROJECT_VERSION} --output=${page} $<TARGET_FILE:${program}>)
  list(APPEND pages ${page})
endforeach()
add_custom_target(clade_man ALL DEPENDS ${pages})
install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT runtime)
