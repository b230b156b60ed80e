// SPDX-License-Identifier: Apache-2.0
// The way back through scale, bias and activation. The way there is part of the convolution's tests.
#include "tests/support/backend.h"
#include "tests/support/compare.h"
#include "tests/support/random_data.h"
#include "tests/support/reference.h"

using namespace clade;
using namespace clade::kernels;
using namespace clade::test;

namespace {

struct Data {
  Data(Activation which, const Shape& images)
      : activation(which),
        shape(images),
        channels{shape[0], shape[4]},
        scale(normal_values(channels.size(), 1)),
        dy(normal_values(shape.size(), 2)),
        before(normal_values(channels.size(), 3)),
        dz(dy.size()),
        dbias(before.size()) {
    const Floats z = normal_values(shape.size(), 4);
    for (std::size_t i = 0; i < z.size(); ++i) {
      y.push_back(static_cast<float>(reference_activation(activation, z[i])));
      dz[i] = dy[i] * reference_activation_slope(activation, z[i]);
      dbias[channel_of(i)] += dz[i];
    }
  }
  std::size_t channel_of(std::size_t i) const {
    const auto count = static_cast<std::size_t>(shape[4]), per_net = static_cast<std::size_t>(shape.size() / shape[0]);
    return i / per_net * count + i % count;
  }

  struct Result {
    Floats dy, dbias;
  };
  Result run(Stream& stream, bool scaled, bool with_bias, WriteMode mode, int shift = 0) const {
    const DeviceArray device_y(stream, shape, y, shift), device_scale(stream, channels, scale, shift);
    DeviceArray device_dy(stream, shape, dy, shift), device_dbias(stream, channels, before, shift);
    CLADE_KERNEL(epilogue_backward)(stream, activation, scaled ? device_scale : View<const float>(), device_y, device_dy,
                                    mode, with_bias ? device_dbias : View<float>());
    return {device_dy.values(), device_dbias.values()};
  }

  Activation activation;
  Shape shape, channels;
  Floats y, scale, dy, before;
  Doubles dz, dbias;
};

// One value; fewer channels than a vector has; a few more; rows that are summed in pieces, and many channels of them.
const std::vector<Shape> kShapes{{1, 1, 1, 1, 1},   {2, 3, 5, 4, 1},    {2, 3, 5, 4, 5},
                                 {1, 2, 9, 7, 37},  {2, 2, 40, 33, 16}, {1, 1, 130, 129, 1},
                                 {2, 1, 9, 31, 130}};

}  // namespace

TEST_CASE("Gradients behind a convolution agree with the definition", "[epilogue]") {
  ON_EVERY_DEVICE(stream);
  const auto activation = GENERATE(Activation::none, Activation::relu, Activation::leaky_relu, Activation::tanh);
  for (const Shape& shape : kShapes) {
    INFO(shape << ", activation " << static_cast<int>(activation));
    const Data data(activation, shape);
    // y is rounded before it is squared, which costs up to epsilon of 1 where the slope of tanh is small.
    const double bound = 16.0 * kEpsilon;
    const Data::Result plain = data.run(stream, false, true, WriteMode::overwrite);
    CHECK(relative_error(plain.dy, data.dz) < bound);
    // Sums of a few thousand values of random sign, each as precise as above.
    CHECK(relative_error(plain.dbias, data.dbias) < 4.0 * bound);

    Doubles scaled(data.dz), added(data.dbias);
    for (std::size_t i = 0; i < scaled.size(); ++i) scaled[i] *= data.scale[data.channel_of(i)];
    for (std::size_t i = 0; i < added.size(); ++i) added[i] += data.before[i];
    const Data::Result all = data.run(stream, true, true, WriteMode::accumulate, 1);
    CHECK(relative_error(all.dy, scaled) < bound);
    CHECK(relative_error(all.dbias, added) < 4.0 * bound);  // the bias gets its gradient in front of the scale

    const Data::Result without_bias = data.run(stream, true, false, WriteMode::overwrite);
    CHECK(same_bits(without_bias.dy, all.dy));
    CHECK(same_bits(without_bias.dbias, data.before));
  }
}

TEST_CASE("Gradients behind a convolution are the same bits again, whatever the number of threads", "[epilogue]") {
  const Device device = GENERATE(from_range(test_devices()));
  INFO("on " << device);
  TestStream serial(device, 1), parallel(device, 3);
  for (const Shape& shape : kShapes) {
    INFO(shape);
    const Data data(Activation::tanh, shape);
    const Data::Result a = data.run(serial.stream, true, true, WriteMode::overwrite),
                       b = data.run(parallel.stream, true, true, WriteMode::overwrite);
    CHECK(same_bits(a.dy, b.dy));
    CHECK(same_bits(a.dbias, b.dbias));
  }
}
