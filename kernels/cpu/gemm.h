// SPDX-License-Identifier: Apache-2.0
// Single-threaded matrix products on tiles.
#pragma once

#include <cstdint>

#include "core/shape.h"
#include "kernels/cpu/panel_product.h"
#include "kernels/kernel_types.h"

namespace clade::kernels::cpu {

/// [first, first + count).
struct Range {
  std::int64_t first, count;
};

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

  /// Rows and columns of what it stands for.
  std::int64_t height() const { return transposed ? columns : rows; }
  std::int64_t width() const { return transposed ? rows : columns; }
};

/// The right factor of products, in panels of 16 columns (panel_product.h), with zeros beyond the last column.
class Panels {
 public:
  /// Terms of sums that are taken at once, at most: two panels of them, 32 KB, stay in a near cache while rows pass by.
  static constexpr std::int64_t kTerms = 256;
  static constexpr std::int64_t kRoom = kPanelsAtOnce * kTerms * kPanel;

  /// Rows [first, first + terms) of `count` panels, as many as a product takes at once.
  struct Part {
    std::int64_t first, terms;
    std::int64_t panel, count;
  };

  virtual ~Panels() = default;
  std::int64_t depth() const { return depth_; }
  std::int64_t columns() const { return columns_; }
  /// Terms that are best taken at once.
  virtual std::int64_t terms() const { return kTerms; }

  /// In `room` for kRoom floats, or where they are already.
  virtual RightFactor take(const Part& part, float* room) const = 0;
  /// What `take` will read, to be fetched during products that sum `work` terms a column and panel; here nothing.
  virtual Ahead ahead(const Part& /*part*/, std::int64_t /*work*/) const { return {}; }

 protected:
  Panels(std::int64_t depth, std::int64_t columns) : depth_(depth), columns_(columns) {}

 private:
  std::int64_t depth_, columns_;
};

/// Panels that are copied from a matrix each time they are taken.
class MatrixPanels : public Panels {
 public:
  explicit MatrixPanels(const Matrix& b);
  /// Each term is a row, and rows are often a power of two apart: the L2 cache has a place for a line of some 200 that
  /// are 16 KB apart, and those of two parts must stay until they are used.
  std::int64_t terms() const override { return b_.transposed ? kTerms : 64; }
  RightFactor take(const Part& part, float* room) const override;
  Ahead ahead(const Part& part, std::int64_t work) const override;

 private:
  Matrix b_;
};

/// Panels copied once, for several products.
class PackedPanels : public Panels {
 public:
  /// Floats that the panels of `b` take.
  static std::int64_t size(const Matrix& b);
  /// One panel, to memory for all of them.
  static void pack(const Matrix& b, std::int64_t panel, float* memory);

  PackedPanels(const Matrix& b, const float* memory);
  RightFactor take(const Part& part, float* room) const override;
  Ahead ahead(const Part& part, std::int64_t work) const override;

 private:
  const float* memory_;
};

/// c (=|+=) some columns of a * b, from a multiple of 16 on; c is row-major with `stride` floats from row to row.
void multiply(const Matrix& a, const Panels& b, const Range& columns, WriteMode mode, float* c, std::int64_t stride);

/// c (=|+=) a * b.
inline void multiply(const Matrix& a, const Matrix& b, WriteMode mode, float* c, std::int64_t stride) {
  const MatrixPanels panels(b);
  multiply(a, panels, {0, panels.columns()}, mode, c, stride);
}

/// c (=|+=) a * b for `rows` rows of a and one or two panels of b with `width` columns in all.
void multiply_part(LeftFactor a, std::int64_t rows, const RightFactor& b, std::int64_t depth, std::int64_t width,
                   WriteMode mode, float* c, std::int64_t stride, Ahead& ahead);

/// Cuts [0, extent) into nearly equal blocks of about `preferred`, a multiple of `multiple` unless there is only one.
class Blocks {
 public:
  Blocks(std::int64_t extent, std::int64_t preferred, std::int64_t multiple = kPanel) : extent_(extent), size_(extent) {
    if (extent > preferred) size_ = ceil_div(ceil_div(extent, ceil_div(extent, preferred)), multiple) * multiple;
  }
  std::int64_t count() const { return ceil_div(extent_, size_); }
  std::int64_t first(std::int64_t block) const { return block * size_; }
  std::int64_t size(std::int64_t block) const {
    return extent_ - first(block) < size_ ? extent_ - first(block) : size_;
  }
  Range range(std::int64_t block) const { return {first(block), size(block)}; }

 private:
  std::int64_t extent_;
  std::int64_t size_;
};

}  // namespace clade::kernels::cpu
