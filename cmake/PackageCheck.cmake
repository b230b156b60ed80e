# SPDX-License-Identifier: Apache-2.0
# Read by cpack before it packs.
if(CPACK_CLADE_INSTRUCTION_FLAGS)
  message(FATAL_ERROR "These binaries are for processors like this one (${CPACK_CLADE_INSTRUCTION_FLAGS}). Packages "
                      "are made from a build with -DCLADE_PORTABLE=ON (cmake --preset portable).")
endif()
