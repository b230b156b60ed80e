// SPDX-License-Identifier: Apache-2.0
// The kernels of every backend, one namespace each, from one list.
#pragma once

#include <span>

#include "core/stream.h"
#include "core/shape.h"
#include "kernels/conv_shape.h"
#include "kernels/kernel_types.h"

namespace clade::kernels::cpu {
#include "kernels/kernel_list.h"
}  // namespace clade::kernels::cpu

namespace clade::kernels::cuda {
#include "kernels/kernel_list.h"
}  // namespace clade::kernels::cuda
