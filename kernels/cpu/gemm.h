// SPDX-License-Identifier: Apache-2.0
// Single-threaded matrix products on tiles.
#pragma once

#include <cstdint>

#include "core/shape.h"
#include "kernels/kernel_types.h"

namespace clade::kernels::cpu {

/// A read-only row-major matrix, or its transpose.
struct Matrix {
  const float* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t stride = 0;  ///< floats from one stored row to the next
  bool transposed = false;

  Matrix(const float* pointer, std::int64_t row_count, std::int64_t column_count, std::int64_t row_stride)
      : data(pointer), rows(row_count), columns(column_count), stride(row_stride) {}
  Matrix(const float* pointer, std::int64_t row_count, std::int64_t column_count)
      : Matrix(pointer, row_count, column_count, column_count) {}

  /// `count` stored rows from `first` on.
  Matrix row_block(std::int64_t first, std::int64_t count) const {
    return {data + first * stride, count, columns, stride};
  }
  /// `count` stored columns from `first` on.
  Matrix column_block(std::int64_t first, std::int64_t count) const { return {data + first, rows, count, stride}; }
  Matrix transpose() const {
    Matrix result = *this;
    result.transposed = !transposed;
    return result;
  }
};

/// c (=|+=) a * b, c row-major with `stride` floats from row to row.
void multiply(const Matrix& a, const Matrix& b, WriteMode mode, float* c, std::int64_t stride);

/// Cuts [0, extent) into nearly equal blocks of about `preferred`, a multiple of 16 unless there is only one.
class Blocks {
 public:
  Blocks(std::int64_t extent, std::int64_t preferred) : extent_(extent), size_(extent) {
    if (extent > preferred) size_ = ceil_div(ceil_div(extent, ceil_div(extent, preferred)), 16) * 16;
  }
  std::int64_t count() const { return ceil_div(extent_, size_); }
  std::int64_t first(std::int64_t block) const { return block * size_; }
  std::int64_t size(std::int64_t block) const {
    return extent_ - first(block) < size_ ? extent_ - first(block) : size_;
  }

 private:
  std::int64_t extent_;
  std::int64_t size_;
};

}  // namespace clade::kernels::cpu
