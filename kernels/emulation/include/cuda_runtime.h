// SPDX-License-Identifier: Apache-2.0
// Stands in for the CUDA toolkit's header in the emulation build: its names as C++ (docs/cuda-emulation.md).
#pragma once

#include "kernels/emulation/device_code.h"
#include "kernels/emulation/runtime.h"
