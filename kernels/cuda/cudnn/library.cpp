// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/cudnn/library.h"

#include <dlfcn.h>

#include <optional>
#include <string>

namespace clade::kernels::cudnn {

namespace {

// A shared library of the major version whose header we were compiled with.
class SharedLibrary {
 public:
  SharedLibrary(const char* name, int major)
      : handle_(dlopen((std::string(name) + ".so." + std::to_string(major)).c_str(), RTLD_NOW | RTLD_LOCAL)) {}

  /// Whether the library and this function of it are there.
  template <class Function>
  bool find(const char* name, Function& function) const {
    if (handle_ != nullptr) function = reinterpret_cast<Function>(dlsym(handle_, name));
    return handle_ != nullptr && function != nullptr;
  }

 private:
  void* handle_;  // stays loaded until the program ends: handles of it may live as long
};

std::optional<CudnnFunctions> load_cudnn() {
  const SharedLibrary library("libcudnn", CUDNN_MAJOR);
  CudnnFunctions f{};
  const bool complete =
      library.find("cudnnCreate", f.create) && library.find("cudnnDestroy", f.destroy) &&
      library.find("cudnnSetStream", f.set_stream) && library.find("cudnnGetErrorString", f.error_string) &&
      library.find("cudnnBackendCreateDescriptor", f.create_descriptor) &&
      library.find("cudnnBackendDestroyDescriptor", f.destroy_descriptor) &&
      library.find("cudnnBackendSetAttribute", f.set_attribute) &&
      library.find("cudnnBackendGetAttribute", f.get_attribute) && library.find("cudnnBackendFinalize", f.finalize) &&
      library.find("cudnnBackendExecute", f.execute);
  return complete ? std::optional(f) : std::nullopt;
}

std::optional<CublasFunctions> load_cublas() {
  const SharedLibrary library("libcublas", CUBLAS_VER_MAJOR);
  CublasFunctions f{};
  // The header maps these names to second versions of the functions.
  const bool complete = library.find("cublasCreate_v2", f.create) && library.find("cublasDestroy_v2", f.destroy) &&
                        library.find("cublasSetStream_v2", f.set_stream) && library.find("cublasGemmEx", f.gemm_ex);
  return complete ? std::optional(f) : std::nullopt;
}

}  // namespace

const CudnnFunctions* cudnn_functions() {
  static const std::optional<CudnnFunctions> functions = load_cudnn();
  return functions ? &*functions : nullptr;
}

const CublasFunctions* cublas_functions() {
  static const std::optional<CublasFunctions> functions = load_cublas();
  return functions ? &*functions : nullptr;
}

}  // namespace clade::kernels::cudnn
