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

inline std::uint32_t to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (value != value) return (bits >> 16) | 0x40u;  // stays NaN
  return (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
}
inline std::uint32_t to_bf16(float low, float high) { return to_bf16(low) | to_bf16(high) << 16; }

// Products are noted and computed, in order, when the warp waits for them.
void mma_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]);
void mma_bf16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]);
void mma_wait();
void ldmatrix_x4(std::uint32_t (&r)[4], const void* row);

}  // namespace clade::emulation
