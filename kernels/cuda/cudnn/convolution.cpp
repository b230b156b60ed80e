// SPDX-License-Identifier: Apache-2.0
// cuDNN's graph API: an operation on tensor descriptors, engines suggested by heuristics, a plan made of one of them.
#include <array>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "kernels/cuda/cudnn/baseline.h"
#include "kernels/cuda/cudnn/library.h"

namespace clade::kernels::cudnn {

namespace {

constexpr std::int64_t kImageId = 1, kMapId = 2, kWeightId = 3;
constexpr std::int64_t kMaxWorkspace = std::int64_t{256} << 20;
constexpr int kMaxEngines = 8;  // from each kind of heuristics
constexpr int kTimedRuns = 5;

const CudnnFunctions& api() {
  const CudnnFunctions* functions = cudnn_functions();
  CLADE_CHECK(functions != nullptr, ErrorCode::device, "cuDNN is not installed here");
  return *functions;
}

void check(cudnnStatus_t status, const char* what) {
  CLADE_CHECK(status == CUDNN_STATUS_SUCCESS, ErrorCode::device, "cuDNN: ", what, ": ", api().error_string(status));
}

class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t type) {
    check(api().create_descriptor(type, &native_), "creating a descriptor");
  }
  ~Descriptor() {
    if (native_ != nullptr) api().destroy_descriptor(native_);
  }
  Descriptor(Descriptor&& other) noexcept : native_(std::exchange(other.native_, nullptr)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(native_, other.native_);
    return *this;
  }

  template <class T>
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const T* values, std::size_t count) {
    check(api().set_attribute(native_, name, type, static_cast<std::int64_t>(count), values), "setting an attribute");
  }
  template <class T>
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const T& value) {
    set(name, type, &value, 1);
  }
  void set(cudnnBackendAttributeName_t name, const Descriptor& value) {
    set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, value.native_);
  }
  cudnnStatus_t try_finalize() { return api().finalize(native_); }
  void finalize() { check(try_finalize(), "finalizing a descriptor"); }

  cudnnBackendDescriptor_t native() const { return native_; }

 private:
  cudnnBackendDescriptor_t native_ = nullptr;
};

// The direct convolution behind a pass: a large image and a map of what windows of it give. A transposed convolution is
// one whose map is the input.
struct Roles {
  explicit Roles(const ConvShape& s) : swapped(s.kind == ConvKind::transposed) {
    const std::array<std::int64_t, 4> x{s.n, s.cin, s.h, s.w}, y{s.n, s.cout, s.out_h(), s.out_w()};
    image = swapped ? y : x;
    map = swapped ? x : y;
    weight = {map[1], image[1], s.k, s.k};
  }
  bool swapped;
  std::array<std::int64_t, 4> image, map, weight;  // extents in cuDNN's order: n, c, h, w
};

// Channels last, as everything here is laid out.
Descriptor tensor(std::int64_t id, const std::array<std::int64_t, 4>& extents) {
  const auto [n, c, h, w] = extents;
  const std::array<std::int64_t, 4> strides{c * h * w, 1, c * w, c};
  // The second net begins right behind the first one, aligned only if the size allows it.
  const std::int64_t alignment = n * c * h * w % 4 == 0 ? 16 : 4;
  Descriptor result(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  result.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
  result.set(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, extents.data(), extents.size());
  result.set(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, strides.data(), strides.size());
  result.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, id);
  result.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, alignment);
  result.finalize();
  return result;
}

Descriptor convolution(const ConvShape& s) {
  const std::array<std::int64_t, 2> strides{s.stride, s.stride}, pads{s.pad, s.pad}, dilations{1, 1};
  Descriptor result(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  result.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, std::int64_t{2});
  result.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
  result.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, CUDNN_CROSS_CORRELATION);
  result.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, strides.data(), strides.size());
  result.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, pads.data(), pads.size());
  result.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, pads.data(), pads.size());
  result.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, dilations.data(), dilations.size());
  result.finalize();
  return result;
}

// What the direct convolution's operation is called for each of its passes.
struct Names {
  cudnnBackendDescriptorType_t type;
  cudnnBackendAttributeName_t convolution, image, map, weight, alpha, beta;
};
constexpr Names kForward{CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
constexpr Names kBackwardData{CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
constexpr Names kBackwardFilter{CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                                CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                                CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                                CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                                CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                                CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                                CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};

const Names& names(Pass pass, bool swapped) {
  if (pass == Pass::backward_weight) return kBackwardFilter;
  return (pass == Pass::forward) != swapped ? kForward : kBackwardData;
}

bool uses_tensor_cores(const Descriptor& configuration) {
  const Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t native = engine.native();
  std::int64_t count = 0;
  check(api().get_attribute(configuration.native(), CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                            &count, &native),
        "reading an engine");
  std::array<cudnnBackendNumericalNote_t, CUDNN_NUMERICAL_NOTE_TYPE_COUNT> notes{};
  check(api().get_attribute(native, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                            static_cast<std::int64_t>(notes.size()), &count, notes.data()),
        "reading an engine's notes");
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i)
    if (notes[i] == CUDNN_NUMERICAL_NOTE_TENSOR_CORE) return true;
  return false;
}

// Engine configurations, the most promising first.
std::vector<Descriptor> suggestions(const Descriptor& graph, cudnnBackendHeurMode_t mode) {
  Descriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode);
  if (heuristics.try_finalize() != CUDNN_STATUS_SUCCESS) return {};
  std::vector<Descriptor> configurations;
  std::vector<cudnnBackendDescriptor_t> natives;
  for (int i = 0; i < kMaxEngines; ++i) {
    configurations.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    natives.push_back(configurations.back().native());
  }
  std::int64_t count = 0;
  check(api().get_attribute(heuristics.native(), CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                            kMaxEngines, &count, natives.data()),
        "reading suggested engines");
  while (configurations.size() > static_cast<std::size_t>(count)) configurations.pop_back();
  return configurations;
}

}  // namespace

bool has_cudnn() { return cudnn_functions() != nullptr; }

ConvShape padded_equivalent(const ConvShape& shape) {
  ConvShape result = shape;
  if (shape.kind == ConvKind::resize) {
    result.h = 2 * shape.h;
    result.w = 2 * shape.w;
    result.kind = ConvKind::direct;
  } else if (shape.kind == ConvKind::transposed || shape.pad_mode == PadMode::zero) {
    return result;
  }
  result.h += 2 * shape.pad;
  result.w += 2 * shape.pad;
  result.pad = 0;
  result.pad_mode = PadMode::zero;
  return result;
}

struct Convolution::Impl {
  Impl(Stream& s, const ConvShape& c, Pass p) : stream(s), shape(c), roles(c), pass(p) {
    CLADE_CHECK(shape.kind != ConvKind::resize && (shape.pad == 0 || shape.pad_mode == PadMode::zero),
                ErrorCode::internal, "cuDNN has no such convolution");
    check(api().create(&handle), "starting");
    check(api().set_stream(handle, static_cast<cudaStream_t>(s.native())), "taking the stream");
  }
  ~Impl() { api().destroy(handle); }

  struct Plan {
    Descriptor descriptor;
    std::size_t workspace;  // bytes
  };

  Descriptor operation_graph() const;
  std::optional<Plan> make_plan(const Descriptor& configuration) const;
  void choose_plan();
  cudnnStatus_t execute(const Plan& some_plan, const float* first, const float* second, float* output) const;

  Stream& stream;
  ConvShape shape;
  Roles roles;
  Pass pass;
  cudnnHandle_t handle = nullptr;
  std::optional<Plan> plan;
};

Descriptor Convolution::Impl::operation_graph() const {
  const Names& n = names(pass, roles.swapped);
  Descriptor operation(n.type);
  operation.set(n.convolution, convolution(shape));
  operation.set(n.image, tensor(kImageId, roles.image));
  operation.set(n.map, tensor(kMapId, roles.map));
  operation.set(n.weight, tensor(kWeightId, roles.weight));
  operation.set(n.alpha, CUDNN_TYPE_FLOAT, 1.0f);
  operation.set(n.beta, CUDNN_TYPE_FLOAT, 0.0f);
  operation.finalize();
  Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, handle);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation);
  graph.finalize();
  return graph;
}

std::optional<Convolution::Impl::Plan> Convolution::Impl::make_plan(const Descriptor& configuration) const {
  if (stream.precision() == Precision::fp32 && uses_tensor_cores(configuration)) return std::nullopt;
  Descriptor candidate(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  candidate.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, handle);
  candidate.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
  if (candidate.try_finalize() != CUDNN_STATUS_SUCCESS) return std::nullopt;
  std::int64_t bytes = 0, count = 0;
  check(api().get_attribute(candidate.native(), CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &count,
                            &bytes),
        "reading a plan's workspace");
  if (bytes > kMaxWorkspace) return std::nullopt;
  return Plan{std::move(candidate), static_cast<std::size_t>(bytes)};
}

void Convolution::Impl::choose_plan() {
  Arena data(stream.device());
  const View<float> x = data.view<float>(shape.input()), y = data.view<float>(shape.output()),
                    w = data.view<float>(shape.weight());
  for (const View<float>& view : {x, y, w}) stream.set_zero(view.data, static_cast<std::size_t>(view.size()) * 4);
  const float* first = pass == Pass::backward_input ? y.data : x.data;
  const float* second = pass == Pass::backward_weight ? y.data : w.data;
  float* output = pass == Pass::forward ? y.data : pass == Pass::backward_input ? x.data : w.data;

  const Descriptor graph = operation_graph();
  double best = std::numeric_limits<double>::infinity();
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
    if (plan) break;
    for (const Descriptor& configuration : suggestions(graph, mode)) {
      std::optional<Plan> candidate = make_plan(configuration);
      if (!candidate || execute(*candidate, first, second, output) != CUDNN_STATUS_SUCCESS) continue;
      Event begin(stream), end(stream);
      begin.record();
      for (int i = 0; i < kTimedRuns; ++i) check(execute(*candidate, first, second, output), "running a plan");
      end.record();
      const double milliseconds = Event::elapsed_ms(begin, end);
      if (milliseconds >= best) continue;
      best = milliseconds;
      plan = std::move(candidate);
    }
  }
  CLADE_CHECK(plan.has_value(), ErrorCode::device, "cuDNN has no engine for this convolution");
}

// All nets, one after the other.
cudnnStatus_t Convolution::Impl::execute(const Plan& some_plan, const float* first, const float* second,
                                         float* output) const {
  const ArenaScope scope(stream.scratch());
  void* const workspace = stream.scratch().allocate(some_plan.workspace);
  const std::int64_t x = shape.input().size() / shape.nets, y = shape.output().size() / shape.nets,
                     w = shape.weight().size() / shape.nets;
  const std::int64_t first_size = pass == Pass::backward_input ? y : x;
  const std::int64_t second_size = pass == Pass::backward_weight ? y : w;
  const std::int64_t output_size = pass == Pass::forward ? y : pass == Pass::backward_input ? x : w;
  const std::int64_t input_id = roles.swapped ? kMapId : kImageId, result_id = roles.swapped ? kImageId : kMapId;
  const std::array<std::int64_t, 3> ids{pass == Pass::backward_input ? result_id : input_id,
                                        pass == Pass::backward_weight ? result_id : kWeightId,
                                        pass == Pass::forward          ? result_id
                                        : pass == Pass::backward_input ? input_id
                                                                       : kWeightId};
  for (std::int64_t net = 0; net < shape.nets; ++net) {
    const std::array<void*, 3> pointers{const_cast<float*>(first + net * first_size),
                                        const_cast<float*>(second + net * second_size), output + net * output_size};
    Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, ids.data(), ids.size());
    pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, pointers.data(), pointers.size());
    pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, workspace);
    pack.finalize();
    const cudnnStatus_t status = api().execute(handle, some_plan.descriptor.native(), pack.native());
    if (status != CUDNN_STATUS_SUCCESS) return status;
  }
  return CUDNN_STATUS_SUCCESS;
}

Convolution::Convolution(Stream& stream, const ConvShape& shape, Pass pass)
    : impl_(std::make_unique<Impl>(stream, shape, pass)) {
  impl_->choose_plan();
}
Convolution::~Convolution() = default;

void Convolution::run(View<const float> first, View<const float> second, View<float> output) {
  check(impl_->execute(*impl_->plan, first.data, second.data, output.data), "running a plan");
}

}  // namespace clade::kernels::cudnn
