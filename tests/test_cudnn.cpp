// SPDX-License-Identifier: Apache-2.0
// Our CUDA convolutions against those of cuDNN, where there are a GPU and the library.
#if defined(CLADE_HAS_CUDNN)
#include <cmath>
#include <string>
#include <vector>

#include "kernels/cuda/cudnn/baseline.h"
#include "kernels/kernels.h"
#include "tests/support/backend.h"
#include "tests/support/compare.h"
#include "tests/support/conv_cases.h"
#include "tests/support/random_data.h"

using namespace clade;
using namespace clade::kernels;
using namespace clade::test;

namespace {

/// What two orders of summation, and in TF32 two ways to round the factors, may differ by.
double tolerance(Precision precision, std::int64_t terms) {
  // A factor cut off after 10 bits of mantissa, as cuDNN may do it, is smaller by up to 2^-10 of itself, 2^-11 on
  // average; that is 2^-10 of a result, which may be five times as large as most.
  return 2.0 * sum_tolerance(terms) + (precision == Precision::tf32 ? 8.0 * std::ldexp(1.0, -10) : 0.0);
}

class Comparison {
 public:
  Comparison(Stream& stream, const ConvShape& shape)
      : stream_(stream),
        shape_(shape),
        x_(stream, shape.input(), normal_values(shape.input().size(), 1)),
        w_(stream, shape.weight(), normal_values(shape.weight().size(), 2)),
        dy_(stream, shape.output(), normal_values(shape.output().size(), 3)) {}

  void forward() {
    DeviceArray<float> ours(stream_, shape_.output()), theirs(stream_, shape_.output());
    cuda::conv_forward(stream_, shape_, x_, w_, {}, {}, Activation::none, {}, ours);
    cudnn::Convolution(stream_, shape_, cudnn::Pass::forward).run(x_, w_, theirs);
    compare(ours, theirs, std::int64_t{shape_.k} * shape_.k * shape_.cin);
  }
  void backward_input() {
    DeviceArray<float> ours(stream_, shape_.input()), theirs(stream_, shape_.input());
    cuda::conv_backward_input(stream_, shape_, dy_, w_, WriteMode::overwrite, ours);
    cudnn::Convolution(stream_, shape_, cudnn::Pass::backward_input).run(dy_, w_, theirs);
    compare(ours, theirs, std::int64_t{shape_.k} * shape_.k * shape_.cout);
  }
  void backward_weight() {
    DeviceArray<float> ours(stream_, shape_.weight()), theirs(stream_, shape_.weight());
    cuda::conv_backward_weight(stream_, shape_, std::array{ConvUse{x_, dy_}}, WriteMode::overwrite, ours);
    cudnn::Convolution(stream_, shape_, cudnn::Pass::backward_weight).run(x_, dy_, theirs);
    compare(ours, theirs, std::int64_t{shape_.n} * shape_.out_h() * shape_.out_w());
  }

 private:
  void compare(const DeviceArray<float>& ours, const DeviceArray<float>& theirs, std::int64_t terms) {
    CHECK(relative_error(ours.values(), theirs.values()) < tolerance(stream_.precision(), terms));
  }

  Stream& stream_;
  ConvShape shape_;
  DeviceArray<float> x_, w_, dy_;
};

}  // namespace

TEST_CASE("CUDA convolutions agree with cuDNN's", "[conv][cudnn]") {
  if (cuda_device_count() == 0 || !cudnn::has_cudnn()) {
    WARN("no GPU or no cuDNN here: nothing was compared");
    return;
  }
  for (const Precision precision : {Precision::fp32, Precision::tf32}) {
    TestStream owner(Backend{{DeviceType::cuda, 0}, precision});
    std::vector<ConvCase> cases = tiled_cases(false);
    for (const ConvCase& layer : network_layers(64, 2)) cases.push_back(layer);
    std::size_t refused = 0;
    for (const ConvCase& c : cases) {
      INFO(c.name << (precision == Precision::tf32 ? ", tf32" : ", fp32"));
      Comparison comparison(owner.stream, cudnn::padded_equivalent(c.shape));
      for (const auto pass : {&Comparison::forward, &Comparison::backward_input, &Comparison::backward_weight}) {
        try {
          (comparison.*pass)();
        } catch (const Error& error) {  // not every odd number of channels has an engine
          WARN(c.name << ": " << error.what());
          ++refused;
        }
      }
    }
    CHECK(refused < cases.size());
  }
}

TEST_CASE("Matrix products of cuBLAS, with which benchmarks measure a GPU, are products", "[cudnn]") {
  if (cuda_device_count() == 0 || !cudnn::has_cublas()) {
    WARN("no GPU or no cuBLAS here: nothing was checked");
    return;
  }
  TestStream owner(Backend{{DeviceType::cuda, 0}, Precision::fp32});
  const DeviceArray<float> a(owner.stream, {2, 3}, {1, 2, 3, 4, 5, 6}), b(owner.stream, {3, 2}, {1, 2, 3, 4, 5, 6});
  DeviceArray<float> c(owner.stream, {2, 2});
  cudnn::MatrixProduct(owner.stream).run(a, b, c);
  CHECK(c.values() == std::vector<float>{22, 28, 49, 64});
}
#endif
