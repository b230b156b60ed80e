// SPDX-License-Identifier: Apache-2.0
// NVIDIA's cuDNN and cuBLAS, loaded when they are first asked for: programs that compare themselves with them start on
// machines without them too, and carry none of their hundreds of megabytes.
#pragma once

#include <cublas_v2.h>
#include <cudnn.h>

namespace clade::kernels::cudnn {

struct CudnnFunctions {
  decltype(&::cudnnCreate) create;
  decltype(&::cudnnDestroy) destroy;
  decltype(&::cudnnSetStream) set_stream;
  decltype(&::cudnnGetErrorString) error_string;
  decltype(&::cudnnBackendCreateDescriptor) create_descriptor;
  decltype(&::cudnnBackendDestroyDescriptor) destroy_descriptor;
  decltype(&::cudnnBackendSetAttribute) set_attribute;
  decltype(&::cudnnBackendGetAttribute) get_attribute;
  decltype(&::cudnnBackendFinalize) finalize;
  decltype(&::cudnnBackendExecute) execute;
};

struct CublasFunctions {
  decltype(&::cublasCreate) create;
  decltype(&::cublasDestroy) destroy;
  decltype(&::cublasSetStream) set_stream;
  // Written out because the header overloads the name.
  cublasStatus_t (*gemm_ex)(cublasHandle_t, cublasOperation_t, cublasOperation_t, int m, int n, int k,
                            const void* alpha, const void* a, cudaDataType, int lda, const void* b, cudaDataType,
                            int ldb, const void* beta, void* c, cudaDataType, int ldc, cublasComputeType_t,
                            cublasGemmAlgo_t);
};

/// Null where the library cannot be loaded.
const CudnnFunctions* cudnn_functions();
const CublasFunctions* cublas_functions();

}  // namespace clade::kernels::cudnn
