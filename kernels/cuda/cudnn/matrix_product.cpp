// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/cudnn/baseline.h"
#include "kernels/cuda/cudnn/library.h"

namespace clade::kernels::cudnn {

namespace {

const CublasFunctions& api() {
  const CublasFunctions* functions = cublas_functions();
  CLADE_CHECK(functions != nullptr, ErrorCode::device, "cuBLAS is not installed here");
  return *functions;
}

void check(cublasStatus_t status, const char* what) {
  CLADE_CHECK(status == CUBLAS_STATUS_SUCCESS, ErrorCode::device, "cuBLAS: ", what, ": status ",
              static_cast<int>(status));
}

}  // namespace

bool has_cublas() { return cublas_functions() != nullptr; }

struct MatrixProduct::Impl {
  explicit Impl(Stream& s) : stream(s) {
    check(api().create(&handle), "starting");
    check(api().set_stream(handle, static_cast<cudaStream_t>(s.native())), "taking the stream");
  }
  ~Impl() { api().destroy(handle); }

  Stream& stream;
  cublasHandle_t handle = nullptr;
};

MatrixProduct::MatrixProduct(Stream& stream) : impl_(std::make_unique<Impl>(stream)) {}
MatrixProduct::~MatrixProduct() = default;

void MatrixProduct::run(View<const float> a, View<const float> b, View<float> c) {
  const auto m = static_cast<int>(a.shape[0]), k = static_cast<int>(a.shape[1]), n = static_cast<int>(b.shape[1]);
  CLADE_CHECK(b.shape[0] == k && c.shape == (Shape{m, n}), ErrorCode::internal, "product of ", a.shape, " and ",
              b.shape);
  const float one = 1.0f, zero = 0.0f;
  const cublasComputeType_t type =
      impl_->stream.precision() == Precision::tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
  // cuBLAS counts columns first, so it computes the transposed product.
  check(api().gemm_ex(impl_->handle, CUBLAS_OP_N, CUBLAS_OP_N, n, m, k, &one, b.data, CUDA_R_32F, n, a.data, CUDA_R_32F,
                      k, &zero, c.data, CUDA_R_32F, n, type, CUBLAS_GEMM_DEFAULT),
        "multiplying");
}

}  // namespace clade::kernels::cudnn
