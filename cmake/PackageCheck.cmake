# SPDX-License-Identifier: Apache-2.0
# Read by cpack before it packs.
if(NOT CPACK_CLADE_LEVELS MATCHES "baseline")
  message(FATAL_ERROR "These binaries are for processors with ${CPACK_CLADE_LEVELS} alone. Packages are made from a "
                      "build with -DCLADE_INSTRUCTIONS=all, which needs GNU ld and objcopy.")
endif()
