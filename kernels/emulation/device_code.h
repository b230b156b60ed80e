// SPDX-License-Identifier: Apache-2.0
// The CUDA names that device code uses, as C++. Only what our kernels need.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/emulation/block.h"

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(bytes) __attribute__((aligned(bytes)))
// One block runs at a time. A section of their own, so that shared arrays can be filled with NaN before each block; the
// compiler demands that the functions around them have internal linkage (static, or in an unnamed namespace).
#define __shared__ static __attribute__((section("clade_shared")))

#define threadIdx (::clade::emulation::indices().thread)
#define blockIdx (::clade::emulation::indices().block)
#define blockDim (::clade::emulation::indices().block_dim)
#define gridDim (::clade::emulation::indices().grid_dim)
#define __syncthreads() ::clade::emulation::sync_block({__FILE__, __LINE__})

struct dim3 : clade::emulation::Index3 {
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : Index3{x_, y_, z_} {}
};

// Vector types, aligned as on the device.
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) int2 {
  int x, y;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(16) double2 {
  double x, y;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline int2 make_int2(int x, int y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline double2 make_double2(double x, double y) { return {x, y}; }

template <class T>
inline T __ldg(const T* address) {
  return *address;
}
inline unsigned __float_as_uint(float value) { return std::bit_cast<unsigned>(value); }
inline float __uint_as_float(unsigned bits) { return std::bit_cast<float>(bits); }
inline int __float_as_int(float value) { return std::bit_cast<int>(value); }
inline float __int_as_float(int bits) { return std::bit_cast<float>(bits); }
inline unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned>((std::uint64_t{a} * b) >> 32); }
inline float rsqrtf(float value) { return 1.0f / std::sqrt(value); }
using std::isfinite;
using std::isnan;
using std::max;
using std::min;

// Blocks run one after another and fibers switch only where they wait, so these are atomic as they are.
inline unsigned atomicAdd(unsigned* address, unsigned value) {
  const unsigned old = *address;
  *address = old + value;
  return old;
}
inline int atomicAdd(int* address, int value) {
  const int old = *address;
  *address = old + value;
  return old;
}
inline void __threadfence() {}
inline void __threadfence_block() {}

namespace clade::emulation {

template <class T>
struct Shuffle {
  T value;
  int source;
  T result;
};

template <class T>
inline T shuffle(unsigned mask, T value, int source, Site site) {
  Shuffle<T> own{value, source, value};
  meet(
      mask, site,
      [](void* const* lanes, std::uint32_t present) {
        for (int i = 0; i < 32; ++i) {
          if (!(present >> i & 1u)) continue;
          auto& to = *static_cast<Shuffle<T>*>(lanes[i]);
          // Reading a lane that does not take part is undefined: a NaN shows it.
          if (to.source < 0 || to.source > 31 || !(present >> to.source & 1u)) {
            std::memset(&to.result, 0xff, sizeof(T));
          } else {
            to.result = static_cast<Shuffle<T>*>(lanes[to.source])->value;
          }
        }
      },
      &own);
  return own.result;
}

inline unsigned ballot(unsigned mask, bool predicate, Site site) {
  struct Vote {
    bool predicate;
    unsigned result;
  } own{predicate, 0};
  meet(
      mask, site,
      [](void* const* lanes, std::uint32_t present) {
        unsigned result = 0;
        for (int i = 0; i < 32; ++i)
          if (present >> i & 1u) result |= static_cast<unsigned>(static_cast<Vote*>(lanes[i])->predicate) << i;
        for (int i = 0; i < 32; ++i)
          if (present >> i & 1u) static_cast<Vote*>(lanes[i])->result = result;
      },
      &own);
  return own.result;
}

}  // namespace clade::emulation

#define CLADE_EMULATION_SITE \
  ::clade::emulation::Site { __FILE__, __LINE__ }
#define __shfl_sync(mask, value, source) ::clade::emulation::shuffle(mask, value, source, CLADE_EMULATION_SITE)
#define __shfl_xor_sync(mask, value, bits) \
  ::clade::emulation::shuffle(mask, value, ::clade::emulation::lane() ^ (bits), CLADE_EMULATION_SITE)
#define __shfl_down_sync(mask, value, offset)                                              \
  ::clade::emulation::shuffle(mask, value,                                                 \
                              ::clade::emulation::lane() + static_cast<int>(offset) > 31   \
                                  ? ::clade::emulation::lane()                             \
                                  : ::clade::emulation::lane() + static_cast<int>(offset), \
                              CLADE_EMULATION_SITE)
#define __ballot_sync(mask, predicate) ::clade::emulation::ballot(mask, predicate, CLADE_EMULATION_SITE)
#define __any_sync(mask, predicate) (::clade::emulation::ballot(mask, predicate, CLADE_EMULATION_SITE) != 0)
#define __all_sync(mask, predicate) (::clade::emulation::ballot(mask, predicate, CLADE_EMULATION_SITE) == (mask))
#define __syncwarp(...) ::clade::emulation::sync_warp(CLADE_EMULATION_SITE __VA_OPT__(, ) __VA_ARGS__)

namespace clade::emulation {
inline void sync_warp(Site site, unsigned mask = 0xffffffffu) {
  meet(
      mask, site, [](void* const*, std::uint32_t) {}, nullptr);
}
}  // namespace clade::emulation
