// SPDX-License-Identifier: Apache-2.0
#include "io/voxel_codec.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "core/error.h"

namespace clade {

namespace {

// Calls body(T{}) with the C++ type of `type`.
template <class Body>
auto with_type(VoxelType type, const Body& body) {
  switch (type) {
    case VoxelType::int8:
      return body(std::int8_t{});
    case VoxelType::uint8:
      return body(std::uint8_t{});
    case VoxelType::int16:
      return body(std::int16_t{});
    case VoxelType::uint16:
      return body(std::uint16_t{});
    case VoxelType::int32:
      return body(std::int32_t{});
    case VoxelType::uint32:
      return body(std::uint32_t{});
    case VoxelType::int64:
      return body(std::int64_t{});
    case VoxelType::uint64:
      return body(std::uint64_t{});
    case VoxelType::float32:
      return body(float{});
    case VoxelType::float64:
      return body(double{});
  }
  fail(ErrorCode::internal, "voxel type ", static_cast<int>(type));
}

template <class T>
T to_stored(double value) {
  if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(value);
  } else {
    using Limits = std::numeric_limits<T>;
    // Written so that NaN takes the first exit, and the rounded-up limit of a 64-bit type the second.
    if (!(value > static_cast<double>(Limits::min()))) return Limits::min();
    if (value >= static_cast<double>(Limits::max())) return Limits::max();
    return static_cast<T>(std::nearbyint(value));
  }
}

}  // namespace

std::size_t voxel_bytes(VoxelType type) {
  return with_type(type, [](auto zero) { return sizeof(zero); });
}

void decode_voxels(VoxelType type, const std::byte* stored, std::size_t count, double slope, double intercept,
                   float* out) {
  with_type(type, [&](auto zero) {
    using T = decltype(zero);
    for (std::size_t i = 0; i < count; ++i) {
      T value;
      std::memcpy(&value, stored + i * sizeof(T), sizeof(T));
      out[i] = static_cast<float>(static_cast<double>(value) * slope + intercept);
    }
  });
}

void encode_voxels(VoxelType type, const float* values, std::size_t count, double slope, double intercept,
                   std::byte* stored) {
  with_type(type, [&](auto zero) {
    using T = decltype(zero);
    for (std::size_t i = 0; i < count; ++i) {
      const T value = to_stored<T>((values[i] - intercept) / slope);
      std::memcpy(stored + i * sizeof(T), &value, sizeof(T));
    }
  });
}

}  // namespace clade
