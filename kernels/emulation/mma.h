// SPDX-License-Identifier: Apache-2.0
// What tensor cores do, lane by lane as the PTX ISA lays the operands out.
#pragma once

#include <bit>
#include <cstdint>

namespace clade::emulation {

inline std::uint32_t to_tf32(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7f800000u) == 0x7f800000u) return bits;  // infinities and NaN stay
  return (bits + 0x1000u) & ~0x1fffu;
}

// Products are noted and computed, in order, when the warp waits for them.
void mma_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]);
void mma_bf16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]);
void mma_wait();
void ldmatrix_x4(std::uint32_t (&r)[4], const void* row);

}  // namespace clade::emulation
