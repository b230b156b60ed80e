// SPDX-License-Identifier: Apache-2.0
// A safetensors file; what can be read must come back from a copy.
#include <cstring>

#include "fuzz/fuzzing.h"
#include "io/safetensors.h"

namespace {

using namespace clade;

// NaN is a value like any other here, so bits are compared.
bool same(const HostTensor& a, const HostTensor& b) {
  return a.shape == b.shape && a.values.size() == b.values.size() &&
         (a.values.empty() || std::memcmp(a.values.data(), b.values.data(), a.values.size() * sizeof(float)) == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto path = fuzz::folder().write("file.safetensors", fuzz::text_of(data, size));
  TensorFile file;
  if (!fuzz::accepted([&] { file = read_safetensors(path); })) return 0;
  const auto copy = fuzz::folder() / "copy.safetensors";
  write_safetensors(copy, file);
  const TensorFile back = read_safetensors(copy);
  fuzz::require(back.metadata == file.metadata, "metadata comes back");
  fuzz::require(back.tensors.size() == file.tensors.size(), "all tensors come back");
  for (const auto& [name, tensor] : file.tensors) fuzz::require(same(back.at(name), tensor), "tensors come back");
  return 0;
}
