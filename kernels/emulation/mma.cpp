// SPDX-License-Identifier: Apache-2.0
#include "kernels/emulation/mma.h"

#include <cstring>
#include <vector>

#include "core/error.h"
#include "kernels/emulation/block.h"

namespace clade::emulation {

namespace {

constexpr std::uint32_t kAllLanes = 0xffffffffu;

/// Tensor cores do not look at the bits that TF32 does not have.
float from_tf32(std::uint32_t bits) { return std::bit_cast<float>(bits & ~0x1fffu); }

float bf16_half(std::uint32_t pair, int half) {
  return std::bit_cast<float>(half == 0 ? pair << 16 : pair & 0xffff0000u);
}

/// d += a * b for a 16 x K and a K x 8 matrix.
template <int K>
void multiply(const float (&a)[16][K], const float (&b)[K][8], const Product* const (&lanes)[32]) {
  for (int row = 0; row < 16; ++row)
    for (int column = 0; column < 8; ++column) {
      float sum = 0.0f;
      for (int k = 0; k < K; ++k) sum += a[row][k] * b[k][column];
      lanes[4 * (row % 8) + column / 2]->d[2 * (row / 8) + column % 2] += sum;
    }
}

/// One product of a warp; lane l holds the fragments that mma.cuh describes.
void multiply(const Product* const (&lanes)[32]) {
  if (lanes[0]->bf16) {
    float a[16][16], b[16][8];
    for (int lane = 0; lane < 32; ++lane)
      for (int half = 0; half < 2; ++half) {
        const int g = lane / 4, k = 2 * (lane % 4) + half;
        for (int i = 0; i < 4; ++i) a[g + 8 * (i % 2)][k + 8 * (i / 2)] = bf16_half(lanes[lane]->a[i], half);
        for (int i = 0; i < 2; ++i) b[k + 8 * i][g] = bf16_half(lanes[lane]->b[i], half);
      }
    multiply(a, b, lanes);
  } else {
    float a[16][8], b[8][8];
    for (int lane = 0; lane < 32; ++lane) {
      const int g = lane / 4, t = lane % 4;
      for (int i = 0; i < 4; ++i) a[g + 8 * (i % 2)][t + 4 * (i / 2)] = from_tf32(lanes[lane]->a[i]);
      for (int i = 0; i < 2; ++i) b[t + 4 * i][g] = from_tf32(lanes[lane]->b[i]);
    }
    multiply(a, b, lanes);
  }
}

}  // namespace

void mma_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  pending_products().push_back({d, {a[0], a[1], a[2], a[3]}, {b[0], b[1]}, false});
}

void mma_bf16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  pending_products().push_back({d, {a[0], a[1], a[2], a[3]}, {b[0], b[1]}, true});
}

void mma_wait() {
  meet(
      kAllLanes, {"mma_wait", 0},
      [](void* const* arguments, std::uint32_t) {
        const auto of = [&](int lane) -> std::vector<Product>& {
          return *static_cast<std::vector<Product>*>(arguments[lane]);
        };
        for (int lane = 0; lane < 32; ++lane)
          CLADE_CHECK(of(lane).size() == of(0).size(), ErrorCode::device, "emulated kernel: lane ", lane, " asked for ",
                      of(lane).size(), " products of tensor cores, lane 0 for ", of(0).size());
        for (std::size_t i = 0; i < of(0).size(); ++i) {
          const Product* lanes[32];
          for (int lane = 0; lane < 32; ++lane) {
            lanes[lane] = &of(lane)[i];
            CLADE_CHECK(lanes[lane]->bf16 == lanes[0]->bf16, ErrorCode::device,
                        "emulated kernel: lanes of a warp ask for different products");
          }
          multiply(lanes);
        }
        for (int lane = 0; lane < 32; ++lane) of(lane).clear();
      },
      &pending_products());
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
