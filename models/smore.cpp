// SPDX-License-Identifier: Apache-2.0
#include "models/smore.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "engine/ops.h"
#include "io/intensity.h"
#include "kernels/dispatch.h"
#include "models/gradient_memory.h"
#include "models/one_cycle.h"
#include "models/wdsr.h"

namespace clade {

namespace {

using kernels::ScalarList;
using kernels::StepControl;
using kernels::WriteMode;

// Patches of a batch that go through the network at once on the CPU. Their activations and gradients are kept until all
// gradients are made, 65 MB a patch of 48 x 48.
constexpr int kCpuPatches = 4;
// Pixels of slices that go through the network at once when it is applied.
constexpr std::int64_t kApplyPixels = 1 << 15;

// Steps that are enqueued before their losses are read: the host makes patches meanwhile.
constexpr std::int64_t kCudaReadSteps = 50;

/// To [0, 1] and back.
struct UnitMap {
  float low, width;
  float forward(float voxel) const { return (voxel - low) / width; }
  float inverse(float value) const { return low + width * value; }
};

UnitMap make_unit_map(const std::vector<float>& voxels) {
  const IntensityMap map = make_intensity_map(IntensityRule{IntensityRule::Kind::minmax}, 1.0, voxels);
  return {static_cast<float>(map.low), static_cast<float>(map.high - map.low)};
}

}  // namespace

SmorePlan plan_smore(const Geometry& geometry, const SmoreOptions& options) {
  SmorePlan plan;
  plan.axes = select_axes(geometry, options.slice_axis, {});
  plan.grid = isotropic_grid(geometry, plan.axes);
  const auto slice = static_cast<std::size_t>(plan.axes.slice);
  const double spacing = geometry.spacing[slice], in_plane = plan.grid.spacing[slice];
  const double thickness = options.thickness.value_or(spacing);
  const double extent = geometry.size[slice] * spacing;
  CLADE_CHECK(thickness > in_plane && thickness <= extent, ErrorCode::usage, "slice thickness ", thickness,
              " mm, expected more than the ", in_plane, " mm in plane and at most the ", extent,
              " mm of the field of view");
  plan.factor = spacing / in_plane;
  plan.blur = std::sqrt(thickness * thickness - in_plane * in_plane) / in_plane;
  return plan;
}

struct Smore::Impl {
  Impl(const Volume& v, const SmorePlan& p, const SmoreOptions& o, Stream& s)
      : volume(v),
        plan(p),
        options(o),
        stream(s),
        map(make_unit_map(v.voxels)),
        patches(v, p.axes, {p.factor, p.blur, o.patch, o.seed}, s.pool()),
        block({"wdsr"}),
        network({o.channels, o.blocks, LineUpsampling::whole_factor(p.factor)}, block),
        arena(s.device()),
        control(s, {1}),
        read_steps(s.device().is_cpu() ? 1 : kCudaReadSteps),
        losses(s, {read_steps, 1}),
        loss(s, {1}),
        pass_size(s.device().is_cpu() ? std::min(kCpuPatches, o.batch) : o.batch) {
    block.allocate(s);
    network.initialise(s, block, o.seed);
    gradient = Tensor(s, {block.size()});
    pass_gradient.emplace(s, GradientMemory::Layout::whole, std::initializer_list<const ParameterBlock*>{&block});
    first_moment = Tensor(s, {block.size()});
    second_moment = Tensor(s, {block.size()});
  }

  void read_batch(std::int64_t step);
  void enqueue_pass(int first, int count);
  void enqueue_step(std::int64_t step);
  void super_resolve_plane(int rows, int normal, bool accumulate, Volume& result,
                           const std::function<void(std::int64_t)>& done);

  const Volume& volume;
  SmorePlan plan;
  SmoreOptions options;
  Stream& stream;
  UnitMap map;
  SelfPatches patches;
  ParameterBlock block;
  Wdsr network;
  Arena arena;
  BasicTensor<StepControl> control;
  std::int64_t read_steps;
  Tensor losses, loss;
  int pass_size;
  Tensor gradient, first_moment, second_moment;
  std::optional<GradientMemory> pass_gradient;
  std::vector<float> input, interpolated, target;           // the batch
  Tensor device_input, device_interpolated, device_target;  // the batch, or slices
};

// The patches of a step are those with the numbers step * batch, ...
void Smore::Impl::read_batch(std::int64_t step) {
  const std::int64_t in = std::int64_t{patches.rows()} * patches.input_columns();
  const std::int64_t out = std::int64_t{patches.rows()} * patches.output_columns();
  const std::int64_t batch = options.batch;
  input.resize(static_cast<std::size_t>(batch * in));
  interpolated.resize(static_cast<std::size_t>(batch * out));
  target.resize(static_cast<std::size_t>(batch * out));
  stream.pool().parallel_for(batch, [&](std::int64_t i) {
    float* parts[] = {input.data() + i * in, interpolated.data() + i * out, target.data() + i * out};
    patches.read(step * batch + i, parts[0], parts[1], parts[2]);
    for (int part = 0; part < 3; ++part)
      for (std::int64_t pixel = 0; pixel < (part == 0 ? in : out); ++pixel)
        parts[part][pixel] = map.forward(parts[part][pixel]);
  });
  device_input.assign(stream, input);
  device_interpolated.assign(stream, interpolated);
  device_target.assign(stream, target);
}

// Patches [first, first + count) add their share to the loss and the gradient of the step.
void Smore::Impl::enqueue_pass(int first, int count) {
  arena.reset();
  Tape tape(stream, arena);
  const int rows = patches.rows(), columns = patches.input_columns(), factor = network.config().factor;
  const auto part = [&](const Tensor& tensor, int channels) {
    const std::int64_t size = std::int64_t{rows} * columns * channels;
    return tape.constant(tensor.view(first * size, {1, count, rows, columns, channels}));
  };
  const std::vector<Var> weights = block.bind(tape, block.values(), pass_gradient->places(block));
  const Var answer = network.forward(tape, weights, part(device_input, 1));
  const Var error = l1_mean(tape, add(tape, answer, part(device_interpolated, factor)), part(device_target, factor));
  const float share = static_cast<float>(count) / static_cast<float>(options.batch);
  const Var root = weighted_sum(tape, std::array{error}, std::array{share});
  tape.backward(root, weights);
  const WriteMode mode = first == 0 ? WriteMode::overwrite : WriteMode::accumulate;
  CLADE_KERNEL(scale_into)(stream, 1.0f, tape.value(root), mode, loss.view());
  CLADE_KERNEL(scale_into)(stream, 1.0f, pass_gradient->tensor().view(), mode, gradient.view());
}

void Smore::Impl::enqueue_step(std::int64_t step) {
  read_batch(step);
  for (int first = 0; first < options.batch; first += pass_size)
    enqueue_pass(first, std::min(pass_size, options.batch - first));
  ScalarList scalars;
  scalars.values[scalars.count++] = loss.view().data;
  CLADE_KERNEL(finish_losses)(stream, scalars, options.batch, control.view(), losses.view());
  CLADE_KERNEL(adam)
  (stream, one_cycle(options.learning_rate, step, options.steps), control.view(), gradient.view(), first_moment.view(),
   second_moment.view(), block.values().view());
}

Smore::Smore(const Volume& volume, const SmorePlan& plan, const SmoreOptions& options, Stream& stream)
    : impl_(std::make_unique<Impl>(volume, plan, options, stream)) {}
Smore::~Smore() = default;

void Smore::train(const std::function<bool(std::int64_t, std::int64_t, double)>& progress) {
  Impl& m = *impl_;
  const Shape in{m.options.batch, m.patches.rows(), m.patches.input_columns()};
  const Shape out{m.options.batch, m.patches.rows(), m.patches.output_columns()};
  m.device_input = Tensor(m.stream, in);
  m.device_interpolated = Tensor(m.stream, out);
  m.device_target = Tensor(m.stream, out);
  for (std::int64_t step = 0; step < m.options.steps;) {
    const std::int64_t count = std::min(m.read_steps, m.options.steps - step);
    m.control.assign(m.stream, std::array{StepControl{step, 0, 0, 1}});
    for (std::int64_t i = 0; i < count; ++i) m.enqueue_step(step + i);
    const StepControl reached = m.control.values(m.stream)[0];
    CLADE_CHECK(reached.finite != 0, ErrorCode::numerical, "the loss of step ", step + reached.row, " is not finite");
    double sum = 0.0;
    for (float value : m.losses.values(m.stream, 0, count)) sum += static_cast<double>(value);
    step += count;
    if (!progress(step, m.options.steps, sum / static_cast<double>(count))) fail(ErrorCode::interrupted, "interrupted");
  }
}

// Slices across `normal`; their lines run along the slice axis, row after row along `rows`.
void Smore::Impl::super_resolve_plane(int rows, int normal, bool accumulate, Volume& result,
                                      const std::function<void(std::int64_t)>& done) {
  const Geometry& from = volume.geometry;
  const Geometry& to = plan.grid;
  const auto slice_axis = static_cast<std::size_t>(plan.axes.slice);
  const int thick = from.size[slice_axis], thin = to.size[slice_axis];
  const LineUpsampling line(thick, thin, plan.factor);
  const int h = from.size[static_cast<std::size_t>(rows)], slices = from.size[static_cast<std::size_t>(normal)];
  const std::int64_t in = line.input_size(), out = line.output_size();
  const std::int64_t most = std::clamp<std::int64_t>(kApplyPixels / (h * in), 1, slices);
  input.resize(static_cast<std::size_t>(most * h * in));
  interpolated.resize(static_cast<std::size_t>(most * h * out));
  target.resize(interpolated.size());
  Tensor x(stream, {most, h, in}), y(stream, {most, h, out});
  for (std::int64_t first = 0; first < slices; first += most) {
    const std::int64_t count = std::min(most, slices - first);
    stream.pool().parallel_for(count * h, [&](std::int64_t task) {
      const float* voxels =
          volume.voxels.data() + (first + task / h) * from.stride(normal) + task % h * from.stride(rows);
      std::vector<double> samples(static_cast<std::size_t>(thick));
      for (int i = 0; i < thick; ++i)
        samples[static_cast<std::size_t>(i)] =
            static_cast<double>(map.forward(voxels[i * from.stride(plan.axes.slice)]));
      line.apply(samples.data(), input.data() + task * in, interpolated.data() + task * out);
    });
    stream.copy_to_device(x.view().data, input.data(), static_cast<std::size_t>(count * h * in) * sizeof(float));
    network.apply(stream, arena, block, x.view(0, {count, h, in}), y.view(0, {count, h, out}));
    stream.copy_to_host(target.data(), y.view().data, static_cast<std::size_t>(count * h * out) * sizeof(float));
    // Both planes have half a share.
    stream.pool().parallel_for(count * h, [&](std::int64_t task) {
      float* voxels = result.voxels.data() + (first + task / h) * to.stride(normal) + task % h * to.stride(rows);
      const std::int64_t offset = task * out + line.first();
      for (int i = 0; i < thin; ++i) {
        const auto at = static_cast<std::size_t>(offset + i);
        float& voxel = voxels[i * to.stride(plan.axes.slice)];
        voxel = (accumulate ? voxel : 0.0f) + 0.5f * map.inverse(interpolated[at] + target[at]);
      }
    });
    done(count);
  }
}

Volume Smore::apply(const ProgressCallback& progress) {
  Impl& m = *impl_;
  m.arena = Arena(m.stream.device());
  Volume result = volume_like(m.volume, m.plan.grid);
  result.voxels.resize(static_cast<std::size_t>(m.plan.grid.voxel_count()));
  const int a = m.plan.axes.shared, b = m.plan.axes.normal;
  const auto& size = m.plan.grid.size;
  const std::int64_t total = std::int64_t{size[static_cast<std::size_t>(a)]} + size[static_cast<std::size_t>(b)];
  std::int64_t slices = 0;
  const auto done = [&](std::int64_t count) {
    slices += count;
    if (progress && !progress(slices, total)) fail(ErrorCode::interrupted, "interrupted");
  };
  m.super_resolve_plane(a, b, false, result, done);
  m.super_resolve_plane(b, a, true, result, done);
  return result;
}

}  // namespace clade
