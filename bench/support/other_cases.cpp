// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <memory>
#include <utility>

#include "bench/support/cases.h"
#include "engine/ops.h"
#include "io/patch_grid.h"
#include "kernels/dispatch.h"
#include "models/demodulation_scales.h"

namespace clade::bench {

namespace {

using namespace clade::kernels;

constexpr float kEpsilon = 1e-5f;

double bytes_of(std::initializer_list<Shape> shapes) {
  double total = 0.0;
  for (const Shape& shape : shapes) total += 4.0 * static_cast<double>(shape.size());
  return total;
}

View<const StepControl> control(Operands& operands) { return operands.values(std::vector{StepControl{1, 0, 0, 1}}); }

// Both generators with all that an update changes.
struct Generators {
  explicit Generators(Stream& stream) : block({"generator_x", "generator_y"}), generator({}, block) {
    block.allocate(stream);
    block.initialise(stream, 1, 0);
    gradients = Tensor(stream, {block.size()});
    adam = std::make_unique<Adam>(stream, block.size(), kPaperLearningRate);
    scales = std::make_unique<DemodulationScales>(stream, generator, block);
  }
  ParameterBlock block;
  Generator generator;
  Tensor gradients;
  std::unique_ptr<Adam> adam;
  std::unique_ptr<DemodulationScales> scales;
};

std::int64_t generator_parameters() {
  ParameterBlock block({"generator_x", "generator_y"});
  const Generator generator({}, block);
  return block.size();
}

void add_pointwise(std::vector<Case>& cases, int n) {
  const Shape trunk{2, n, 8, 8, 256};
  cases.push_back({str("add/n:", n),
                   0,
                   bytes_of({trunk, trunk, trunk}),
                   [=](Operands& o) -> Launch {
                     const View<float> a = o.random(trunk), b = o.random(trunk), sum = o.output(trunk);
                     return [=, &s = o.stream()] { CLADE_KERNEL(add)(s, a, b, sum); };
                   },
                   {}});
  for (const auto& [name, shape] : {std::pair{"trunk", trunk}, std::pair{"stem", Shape{2, n, 32, 32, 64}}}) {
    const Shape dy_shape = shape, bias{shape[0], shape[4]};
    cases.push_back({str("epilogue_backward/", name, "/n:", n),
                     0,
                     bytes_of({dy_shape, dy_shape, dy_shape}),
                     [=](Operands& o) -> Launch {
                       const View<float> y = o.random(dy_shape), dy = o.random(dy_shape), scale = o.output(bias),
                                         dbias = o.output(bias);
                       CLADE_KERNEL(fill)(o.stream(), 1.0f, scale);  // what is scaled again and again stays as it is
                       return [=, &s = o.stream()] {
                         CLADE_KERNEL(epilogue_backward)
                         (s, Activation::relu, scale, y, dy, WriteMode::overwrite, dbias);
                       };
                     },
                     {}});
  }
}

void add_norms(std::vector<Case>& cases, int n) {
  const Shape x_shape{2, n, 8, 8, 128}, statistics_shape{2, n, 128, 2};
  cases.push_back({str("instance_norm_forward/n:", n),
                   0,
                   bytes_of({x_shape, x_shape}),
                   [=](Operands& o) -> Launch {
                     const View<float> x = o.random(x_shape), y = o.output(x_shape), t = o.output(statistics_shape);
                     return [=, &s = o.stream()] {
                       CLADE_KERNEL(instance_norm_forward)(s, kEpsilon, Activation::leaky_relu, x, y, t);
                     };
                   },
                   {}});
  cases.push_back({str("instance_norm_backward/n:", n),
                   0,
                   bytes_of({x_shape, x_shape, x_shape}),
                   [=](Operands& o) -> Launch {
                     const View<float> x = o.random(x_shape), t = o.random(statistics_shape), dy = o.random(x_shape),
                                       dx = o.output(x_shape);
                     return [=, &s = o.stream()] {
                       CLADE_KERNEL(instance_norm_backward)
                       (s, Activation::leaky_relu, x, t, dy, WriteMode::overwrite, dx);
                     };
                   },
                   {}});
}

void add_losses(std::vector<Case>& cases, int n) {
  const Shape image{1, n, 32, 32, 1}, logits_shape{1, n, 2, 2, 1};
  cases.push_back({str("l1_forward/n:", n),
                   0,
                   bytes_of({image, image}),
                   [=](Operands& o) -> Launch {
                     const View<float> a = o.random(image), b = o.random(image), loss = o.output({1});
                     return [=, &s = o.stream()] { CLADE_KERNEL(l1_forward)(s, a, b, loss); };
                   },
                   {}});
  cases.push_back(
      {str("l1_backward/n:", n),
       0,
       bytes_of({image, image, image}),
       [=](Operands& o) -> Launch {
         const View<float> a = o.random(image), b = o.random(image), dloss = o.random({1}), da = o.output(image);
         return [=, &s = o.stream()] { CLADE_KERNEL(l1_backward)(s, a, b, dloss, WriteMode::overwrite, da); };
       },
       {}});
  cases.push_back({str("sobel_l1_forward/n:", n),
                   0,
                   bytes_of({image, image}),
                   [=](Operands& o) -> Launch {
                     const View<float> r = o.random(image), y = o.random(image), loss = o.output({1});
                     return [=, &s = o.stream()] {
                       CLADE_KERNEL(sobel_l1_forward)(s, GradientForm::separate, r, y, loss);
                     };
                   },
                   {}});
  cases.push_back({str("sobel_l1_backward/n:", n),
                   0,
                   bytes_of({image, image, image}),
                   [=](Operands& o) -> Launch {
                     const View<float> r = o.random(image), y = o.random(image), dloss = o.random({1}),
                                       dr = o.output(image);
                     return [=, &s = o.stream()] {
                       CLADE_KERNEL(sobel_l1_backward)
                       (s, GradientForm::separate, r, y, dloss, WriteMode::overwrite, dr);
                     };
                   },
                   {}});
  cases.push_back({str("adversarial_forward/n:", n),
                   0,
                   bytes_of({logits_shape}),
                   [=](Operands& o) -> Launch {
                     const View<float> logits = o.random(logits_shape), loss = o.output({1});
                     return [=, &s = o.stream()] {
                       CLADE_KERNEL(adversarial_forward)(s, AdversarialLoss::lsgan, 1.0f, logits, loss);
                     };
                   },
                   {}});
  cases.push_back({str("mean_deviation/n:", n),
                   0,
                   bytes_of({image}),
                   [=](Operands& o) -> Launch {
                     const View<float> x = o.random(image), result = o.output({1});
                     return [=, &s = o.stream()] { CLADE_KERNEL(mean_deviation)(s, x, result); };
                   },
                   {}});
}

void add_data(std::vector<Case>& cases, int n) {
  constexpr std::int64_t kPixels = 1024;
  const Shape batch{n, kPixels}, data{64 * n, kPixels}, pool_shape{50, kPixels};
  cases.push_back({str("take_pairs/n:", n),
                   0,
                   2 * bytes_of({batch, batch}),
                   [=](Operands& o) -> Launch {
                     const View<const StepControl> now = control(o);
                     const View<float> data_x = o.random(data), data_y = o.random(data), x = o.output(batch),
                                       y = o.output(batch);
                     return [=, &s = o.stream()] { CLADE_KERNEL(take_pairs)(s, now, data_x, data_y, x, y); };
                   },
                   {}});
  cases.push_back({str("pool_exchange/n:", n),
                   0,
                   bytes_of({batch, batch}),
                   [=](Operands& o) -> Launch {
                     const View<const StepControl> now = control(o);
                     const View<float> fakes = o.random(batch), pool = o.random(pool_shape), shown = o.output(batch);
                     return [=, &s = o.stream()] {
                       CLADE_KERNEL(pool_exchange)(s, PoolRule{50, 1}, now, fakes, pool, shown);
                     };
                   },
                   {}});
}

void add_weights(std::vector<Case>& cases) {
  const Shape weight{2, 256, 3, 3, 256}, scale_shape{2, 256};
  cases.push_back({"demodulation_scales",
                   0,
                   bytes_of({weight}),
                   [=](Operands& o) -> Launch {
                     const View<float> w = o.random(weight), scale = o.output(scale_shape);
                     return [=, &s = o.stream()] {
                       CLADE_KERNEL(demodulation_scales)(s, OutputDimension::first, 1e-8f, w, scale);
                     };
                   },
                   {}});
  cases.push_back({"demodulation_backward",
                   0,
                   bytes_of({weight, weight, weight}),
                   [=](Operands& o) -> Launch {
                     const View<float> w = o.random(weight), scale = o.random(scale_shape), dw = o.random(weight);
                     return [=, &s = o.stream()] {
                       CLADE_KERNEL(demodulation_backward)(s, OutputDimension::first, w, scale, dw);
                     };
                   },
                   {}});
  const Shape all{generator_parameters()};
  cases.push_back({"adam",
                   0,
                   bytes_of({all, all, all, all, all, all, all}),
                   [=](Operands& o) -> Launch {
                     const View<const StepControl> now = control(o);
                     const View<float> gradient = o.random(all), m = o.random(all), v = o.output(all),
                                       w = o.random(all);
                     CLADE_KERNEL(fill)(o.stream(), 1.0f, v);
                     return [=, &s = o.stream()] { CLADE_KERNEL(adam)(s, AdamParameters{}, now, gradient, m, v, w); };
                   },
                   {}});
  cases.push_back({"update_demodulated",
                   0,
                   bytes_of({all, all, all, all, all, all, all}),
                   [](Operands& o) -> Launch {
                     const auto g = std::make_shared<Generators>(o.stream());
                     const View<const StepControl> now = control(o);
                     return [=, &s = o.stream()] { g->scales->update(s, now, g->gradients, *g->adam, g->block); };
                   },
                   {}});
}

// The slices that super-resolution has in work at once, of a head at 0.5 mm.
void add_patches(std::vector<Case>& cases) {
  const PatchGrid grid(330, 330, 32, 12);
  const Shape slices{16, grid.padded_height, grid.padded_width}, patches{16 * grid.count(), 32, 32};
  const auto positions = [grid](Operands& o) {
    return TilePositions{o.values(grid.rows).data, o.values(grid.columns).data, static_cast<int>(grid.rows.size()),
                         static_cast<int>(grid.columns.size())};
  };
  cases.push_back({"unfold",
                   0,
                   bytes_of({slices, patches}),
                   [=](Operands& o) -> Launch {
                     const TilePositions tiles = positions(o);
                     const View<float> from = o.random(slices), to = o.output(patches);
                     return [=, &s = o.stream()] { CLADE_KERNEL(unfold)(s, tiles, from, to); };
                   },
                   {}});
  cases.push_back({"fold",
                   0,
                   bytes_of({slices, patches}),
                   [=](Operands& o) -> Launch {
                     const TilePositions tiles = positions(o);
                     const View<float> from = o.random(patches), to = o.output(slices);
                     return [=, &s = o.stream()] { CLADE_KERNEL(fold)(s, tiles, from, to); };
                   },
                   {}});
}

}  // namespace

std::vector<Case> sample_cases(int n) {
  std::vector<Case> cases;
  add_pointwise(cases, n);
  add_norms(cases, n);
  add_losses(cases, n);
  add_data(cases, n);
  return cases;
}

std::vector<Case> other_cases() {
  std::vector<Case> cases;
  add_weights(cases);
  add_patches(cases);
  return cases;
}

}  // namespace clade::bench
