// SPDX-License-Identifier: Apache-2.0
// Matrix products of a warp on tensor cores. With g = lane / 4 and t = lane % 4 a lane holds of
//
//   m16n8k8, TF32    a: (g, t) (g + 8, t) (g, t + 4) (g + 8, t + 4)          b: (t, g) (t + 4, g)
//   m16n8k16, BF16   a: pairs (g, 2t) (g + 8, 2t) (g, 2t + 8) (g + 8, 2t + 8)  b: pairs (2t, g) (2t + 8, g)
//   both             d: (g, 2t) (g, 2t + 1) (g + 8, 2t) (g + 8, 2t + 1)
//
// written (row, k), (k, column) and (row, column); a pair is two neighbours along k, the lower in the lower half.
// PTX ISA, "Matrix multiply-accumulate operation using mma instruction".
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#if defined(CLADE_CUDA_EMULATION)
#include "kernels/emulation/mma.h"
#endif

namespace clade::kernels::cuda {

/// Rounded to TF32 (10 bits of mantissa, nearest, ties away from zero), as the bits of a float.
__device__ inline std::uint32_t to_tf32(float value) {
#if defined(CLADE_CUDA_EMULATION)
  return emulation::to_tf32(value);
#else
  std::uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
  return bits;
#endif
}

/// Two values rounded to BF16 (7 bits of mantissa, nearest, ties to even), `low` in the lower half.
__device__ inline std::uint32_t to_bf16(float low, float high) {
#if defined(CLADE_CUDA_EMULATION)
  return emulation::to_bf16(low, high);
#else
  std::uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
#endif
}

/// d += a * b, 16 x 8 x 8. All lanes of the warp must call; d is there after mma_wait.
__device__ inline void mma_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
#if defined(CLADE_CUDA_EMULATION)
  emulation::mma_tf32(d, a, b);
#else
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

/// d += a * b, 16 x 8 x 16. All lanes of the warp must call; d is there after mma_wait.
__device__ inline void mma_bf16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
#if defined(CLADE_CUDA_EMULATION)
  emulation::mma_bf16(d, a, b);
#else
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

/// Ends a row of products: nothing on a GPU; the emulation, for which every meeting of a warp is dear, computes them here.
__device__ inline void mma_wait() {
#if defined(CLADE_CUDA_EMULATION)
  emulation::mma_wait();
#endif
}

/// Four 8 x 8 matrices of 16-bit values from shared memory: lane l gives the address of row l % 8 of matrix l / 8 (16
/// bytes, aligned to 16); r[i] is the pair (lane / 4, 2 (lane % 4)) of matrix i. All lanes of the warp must call.
__device__ inline void ldmatrix_x4(std::uint32_t (&r)[4], const void* row) {
#if defined(CLADE_CUDA_EMULATION)
  emulation::ldmatrix_x4(r, row);
#else
  const auto address = static_cast<std::uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
#endif
}

}  // namespace clade::kernels::cuda
