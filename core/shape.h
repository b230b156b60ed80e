// SPDX-License-Identifier: Apache-2.0
// Extents and typed views: what kernels take. A view owns nothing and is always contiguous.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <type_traits>

#include "core/error.h"

namespace clade {

/// Up to five extents, outermost first. Activations are [nets, n, h, w, c], weights [nets, d0, kh, kw, d1].
class Shape {
 public:
  static constexpr int kMaxRank = 5;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> extents) : rank_(static_cast<int>(extents.size())) {
    CLADE_CHECK(rank_ <= kMaxRank, ErrorCode::internal, "shape of rank ", rank_);
    std::copy(extents.begin(), extents.end(), extents_.begin());
  }

  int rank() const { return rank_; }
  std::int64_t operator[](int axis) const { return extents_[static_cast<std::size_t>(axis)]; }
  std::int64_t& operator[](int axis) { return extents_[static_cast<std::size_t>(axis)]; }

  /// Number of elements; 1 for rank 0.
  std::int64_t size() const {
    std::int64_t product = 1;
    for (int axis = 0; axis < rank_; ++axis) product *= (*this)[axis];
    return product;
  }

  friend bool operator==(const Shape& a, const Shape& b) {
    if (a.rank_ != b.rank_) return false;
    for (int axis = 0; axis < a.rank_; ++axis)
      if (a[axis] != b[axis]) return false;
    return true;
  }

  friend std::ostream& operator<<(std::ostream& out, const Shape& shape) {
    out << '[';
    for (int axis = 0; axis < shape.rank_; ++axis) out << (axis ? ", " : "") << shape[axis];
    return out << ']';
  }

 private:
  std::array<std::int64_t, kMaxRank> extents_{};
  int rank_ = 0;
};

/// Pointer and extents, passed by value. `View<const T>` is read only; `View<T>` converts to it.
template <class T>
struct View {
  T* data = nullptr;
  Shape shape;

  View() = default;
  View(T* pointer, const Shape& extents) : data(pointer), shape(extents) {}
  template <class U>
    requires(std::is_const_v<T> && std::is_same_v<std::remove_const_t<T>, U>)
  View(const View<U>& other) : data(other.data), shape(other.shape) {}

  std::int64_t size() const { return shape.size(); }
  explicit operator bool() const { return data != nullptr; }
  T& operator[](std::int64_t index) const { return data[index]; }
};

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

}  // namespace clade
