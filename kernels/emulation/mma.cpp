// SPDX-License-Identifier: Apache-2.0
#include "kernels/emulation/mma.h"

#include <cstring>

#include "core/error.h"
#include "kernels/emulation/block.h"

namespace clade::emulation {

namespace {

constexpr std::uint32_t kAllLanes = 0xffffffffu;

struct Operands {
  float* d;
  const std::uint32_t* a;
  const std::uint32_t* b;
};

/// Tensor cores do not look at the bits that TF32 does not have.
float from_tf32(std::uint32_t bits) { return std::bit_cast<float>(bits & ~0x1fffu); }

float bf16_half(std::uint32_t pair, int half) {
  return std::bit_cast<float>(half == 0 ? pair << 16 : pair & 0xffff0000u);
}

/// d += a * b for a 16 x K and a K x 8 matrix; element functions say which lane and register holds (row, k), (k,
/// column).
template <int K, class A, class B>
void multiply(void* const* lanes, const A& a_at, const B& b_at) {
  float a[16][K], b[K][8];
  for (int row = 0; row < 16; ++row)
    for (int k = 0; k < K; ++k) a[row][k] = a_at(lanes, row, k);
  for (int k = 0; k < K; ++k)
    for (int column = 0; column < 8; ++column) b[k][column] = b_at(lanes, k, column);
  for (int row = 0; row < 16; ++row)
    for (int column = 0; column < 8; ++column) {
      float sum = 0.0f;
      for (int k = 0; k < K; ++k) sum += a[row][k] * b[k][column];
      const auto& owner = *static_cast<const Operands*>(lanes[4 * (row % 8) + column / 2]);
      owner.d[2 * (row / 8) + column % 2] += sum;
    }
}

const Operands& operands(void* const* lanes, int lane) { return *static_cast<const Operands*>(lanes[lane]); }

}  // namespace

void mma_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  Operands own{d, a, b};
  meet(
      kAllLanes, {"mma_tf32", 0},
      [](void* const* lanes, std::uint32_t) {
        multiply<8>(
            lanes,
            [](void* const* all, int row, int k) {
              return from_tf32(operands(all, 4 * (row % 8) + k % 4).a[row / 8 + 2 * (k / 4)]);
            },
            [](void* const* all, int k, int column) { return from_tf32(operands(all, 4 * column + k % 4).b[k / 4]); });
      },
      &own);
}

void mma_bf16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  Operands own{d, a, b};
  meet(
      kAllLanes, {"mma_bf16", 0},
      [](void* const* lanes, std::uint32_t) {
        multiply<16>(
            lanes,
            [](void* const* all, int row, int k) {
              return bf16_half(operands(all, 4 * (row % 8) + k % 8 / 2).a[row / 8 + 2 * (k / 8)], k % 2);
            },
            [](void* const* all, int k, int column) {
              return bf16_half(operands(all, 4 * column + k % 8 / 2).b[k / 8], k % 2);
            });
      },
      &own);
}

void ldmatrix_x4(std::uint32_t (&r)[4], const void* row) {
  struct Load {
    std::uint32_t* r;
    const void* row;
  } own{r, row};
  meet(
      kAllLanes, {"ldmatrix_x4", 0},
      [](void* const* lanes, std::uint32_t) {
        for (int lane = 0; lane < 32; ++lane)
          for (int matrix = 0; matrix < 4; ++matrix) {
            const void* from = static_cast<const Load*>(lanes[8 * matrix + lane / 4])->row;
            CLADE_CHECK(reinterpret_cast<std::uintptr_t>(from) % 16 == 0, ErrorCode::device,
                        "ldmatrix_x4: the row of lane ", 8 * matrix + lane / 4, " is not aligned to 16 bytes");
            std::memcpy(&static_cast<const Load*>(lanes[lane])->r[matrix],
                        static_cast<const char*>(from) + 4 * (lane % 4), 4);
          }
      },
      &own);
}

}  // namespace clade::emulation
