// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/gemm.h"

#include <Eigen/Core>

namespace clade::kernels::cpu {

namespace {

using Stride = Eigen::OuterStride<>;
using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Plain = Eigen::Map<const RowMajor, Eigen::Unaligned, Stride>;
using Output = Eigen::Map<RowMajor, Eigen::Unaligned, Stride>;

Plain map(const Matrix& matrix) { return {matrix.data, matrix.rows, matrix.columns, Stride(matrix.stride)}; }

template <class A, class B>
void store(const A& a, const B& b, WriteMode mode, float* c, std::int64_t stride) {
  Output output(c, a.rows(), b.cols(), Stride(stride));
  if (mode == WriteMode::accumulate) {
    output.noalias() += a * b;
  } else {
    output.noalias() = a * b;
  }
}

}  // namespace

void multiply(const Matrix& a, const Matrix& b, WriteMode mode, float* c, std::int64_t stride) {
  if (a.transposed) {
    store(map(a).transpose(), map(b), mode, c, stride);
  } else if (b.transposed) {
    store(map(a), map(b).transpose(), mode, c, stride);
  } else {
    store(map(a), map(b), mode, c, stride);
  }
}

}  // namespace clade::kernels::cpu
