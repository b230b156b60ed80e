// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <utility>

#include "bench/support/cases.h"
#include "kernels/dispatch.h"
#include "tests/support/conv_cases.h"
#if defined(CLADE_HAS_CUDNN)
#include "kernels/cuda/cudnn/baseline.h"
#endif

namespace clade::bench {

namespace {

using namespace clade::kernels;

enum class ConvPass { forward, backward_input, backward_weight };
constexpr std::pair<const char*, ConvPass> kPasses[] = {{"forward", ConvPass::forward},
                                                        {"backward_input", ConvPass::backward_input},
                                                        {"backward_weight", ConvPass::backward_weight}};

// Resize: of its four 2x2 phases.
double operations(const ConvShape& s) {
  double windows = static_cast<double>(s.nets) * s.n * s.out_h() * s.out_w();
  double taps = s.k * s.k;
  if (s.kind == ConvKind::transposed) windows = static_cast<double>(s.nets) * s.n * s.h * s.w;
  if (s.kind == ConvKind::resize) taps = 4;
  return 2.0 * windows * taps * s.cin * s.cout;
}

Launch prepare(Operands& operands, const ConvShape& s, ConvPass pass) {
  Stream& stream = operands.stream();
  switch (pass) {
    case ConvPass::forward: {
      const View<float> x = operands.random(s.input()), w = operands.random(s.weight()),
                        scale = operands.random({s.nets, s.cout}), bias = operands.random({s.nets, s.cout}),
                        y = operands.output(s.output());
      return [=, &stream] {
        CLADE_KERNEL(conv_forward)(stream, s, x, w, scale, bias, Activation::relu, View<const float>(), y);
      };
    }
    case ConvPass::backward_input: {
      const View<float> dy = operands.random(s.output()), w = operands.random(s.weight()),
                        dx = operands.output(s.input());
      return [=, &stream] { CLADE_KERNEL(conv_backward_input)(stream, s, dy, w, WriteMode::overwrite, dx); };
    }
    case ConvPass::backward_weight:
      break;
  }
  const View<float> x = operands.random(s.input()), dy = operands.random(s.output()), dw = operands.output(s.weight());
  return [=, &stream] { CLADE_KERNEL(conv_backward_weight)(stream, s, std::array{ConvUse{x, dy}}, WriteMode::overwrite, dw); };
}

#if defined(CLADE_HAS_CUDNN)
// The convolution alone, without bias and activation, on an image that is padded (resize: and upsampled) already.
std::function<Launch(Operands&)> cudnn_preparation(const ConvShape& shape, ConvPass pass) {
  if (!cudnn::has_cudnn()) return {};
  return [s = cudnn::padded_equivalent(shape), pass,
          convolution = std::shared_ptr<cudnn::Convolution>()](Operands& operands) mutable -> Launch {
    const cudnn::Pass same = pass == ConvPass::forward          ? cudnn::Pass::forward
                             : pass == ConvPass::backward_input ? cudnn::Pass::backward_input
                                                                : cudnn::Pass::backward_weight;
    if (!convolution) convolution = std::make_shared<cudnn::Convolution>(operands.stream(), s, same);
    const Shape x = s.input(), w = s.weight(), y = s.output();
    const View<float> first = operands.random(pass == ConvPass::backward_input ? y : x);
    const View<float> second = operands.random(pass == ConvPass::backward_weight ? y : w);
    const View<float> result =
        operands.output(pass == ConvPass::forward ? y : (pass == ConvPass::backward_input ? x : w));
    return [=] { convolution->run(first, second, result); };
  };
}
#endif

}  // namespace

std::vector<Case> convolution_cases(int n) {
  std::vector<Case> cases;
  for (const test::ConvCase& layer : test::network_layers(64, n))
    for (const auto& [pass_name, pass] : kPasses) {
      const ConvShape& s = layer.shape;
      Case c;
      c.name = str("conv/", layer.name, '/', pass_name, "/n:", n);
      c.flop = operations(s);
      c.bytes = 4.0 * static_cast<double>(s.input().size() + s.weight().size() + s.output().size());
      c.prepare = [s, pass](Operands& operands) { return prepare(operands, s, pass); };
#if defined(CLADE_HAS_CUDNN)
      c.prepare_cudnn = cudnn_preparation(s, pass);
#endif
      cases.push_back(std::move(c));
    }
  return cases;
}

}  // namespace clade::bench
