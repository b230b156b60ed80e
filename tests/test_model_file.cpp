// SPDX-License-Identifier: Apache-2.0
// Model files that promise more than they hold.
#include "models/model.h"
#include "tests/support/errors.h"

using namespace clade;
using clade::test::contains;
using clade::test::error_of;

TEST_CASE("the size of a network is believed only as far as its tensors go", "[model]") {
  std::map<std::string, HostTensor> tensors;
  const auto refusal = [&] {
    return error_of(ErrorCode::model, [&] { generator_config(tensors, "generator_x", Norm::demod); });
  };
  const auto add = [&](const std::string& name, std::vector<std::int64_t> shape) {
    tensors["generator_x." + name].shape = std::move(shape);
  };
  // An extent of 0 costs a file nothing.
  add("encoder.0.weight", {4096, 0, 7, 7});
  CHECK(contains(refusal(), "generator_x.encoder.0.weight does not fit a network of 4096 channels"));
  add("encoder.0.weight", {16, 1, 7, 7});
  add("encoder.1.weight", {32, 16, 0, 3});
  CHECK(contains(refusal(), "encoder.1.weight does not fit"));
  add("encoder.1.weight", {32, 16, 3, 3});
  add("encoder.2.weight", {64, 32, 3});
  CHECK(contains(refusal(), "encoder.2.weight does not have four dimensions"));
  add("encoder.2.weight", {64, 32, 3, 3});
  add("residual.0.conv1.weight", {64, 64, 3, 3});
  add("residual.1.conv1.weight", {64, 0, 3, 3});
  CHECK(contains(refusal(), "residual.1.conv1.weight does not fit"));
  add("residual.1.conv1.weight", {64, 64, 3, 3});
  add("decoder.0.weight", {32, 64, 3, 3});
  const GeneratorConfig config = generator_config(tensors, "generator_x", Norm::demod);
  CHECK(config.base_channels == 16);
  CHECK(config.residual_blocks == 2);
}
