// SPDX-License-Identifier: Apache-2.0
#include "models/model.h"

#include <algorithm>

#include "models/demodulation_scales.h"

namespace clade {

namespace {

const std::string kNet = "generator_x";

double parse_number(const std::string& key, const std::string& text) {
  try {
    std::size_t used = 0;
    const double value = std::stod(text, &used);
    if (used == text.size()) return value;
  } catch (const std::exception&) {
  }
  fail(ErrorCode::model, "metadata ", key, " is '", text, "', not a number");
}

int parse_positive(const std::string& key, const std::string& text) {
  const double value = parse_number(key, text);
  CLADE_CHECK(value >= 1 && value <= 4096 && value == static_cast<int>(value), ErrorCode::model, "metadata ", key,
              " is '", text, "', not a size");
  return static_cast<int>(value);
}

}  // namespace

std::map<std::string, std::string> ModelMetadata::to_strings() const {
  std::map<std::string, std::string> entries = other;
  if (norm) entries["norm"] = name(*norm);
  if (patch) entries["patch"] = str(*patch);
  if (stride) entries["stride"] = str(*stride);
  if (range) entries["range"] = str(*range);
  if (intensity) entries["intensity"] = intensity->text();
  if (plane) entries["plane"] = plane_name(*plane);
  return entries;
}

ModelMetadata ModelMetadata::from_strings(const std::map<std::string, std::string>& entries) {
  ModelMetadata metadata;
  for (const auto& [key, text] : entries) {
    try {
      if (key == "norm") {
        metadata.norm = parse_norm(text);
      } else if (key == "patch") {
        metadata.patch = parse_positive(key, text);
      } else if (key == "stride") {
        metadata.stride = parse_positive(key, text);
      } else if (key == "range") {
        metadata.range = parse_number(key, text);
      } else if (key == "intensity") {
        metadata.intensity = IntensityRule::parse(text);
      } else if (key == "plane") {
        metadata.plane = parse_plane(text);
      } else {
        metadata.other[key] = text;
      }
    } catch (const Error& error) {
      fail(ErrorCode::model, "metadata ", key, ": ", error.what());
    }
  }
  CLADE_CHECK(!metadata.range || (*metadata.range > 0 && *metadata.range <= 1), ErrorCode::model,
              "metadata range is outside (0, 1]");
  return metadata;
}

GeneratorConfig generator_config(const std::map<std::string, HostTensor>& tensors, const std::string& prefix, Norm norm) {
  const auto shape_of = [&](const std::string& name) -> const std::vector<std::int64_t>& {
    const auto entry = tensors.find(prefix + "." + name);
    CLADE_CHECK(entry != tensors.end(), ErrorCode::model, "tensor ", prefix, ".", name, " is missing");
    CLADE_CHECK(entry->second.shape.size() == 4, ErrorCode::model, "tensor ", prefix, ".", name,
                " does not have four dimensions");
    return entry->second.shape;
  };
  GeneratorConfig config;
  config.norm = norm;
  const std::int64_t base = shape_of("encoder.0.weight")[0];
  CLADE_CHECK(base >= 1 && base <= 4096, ErrorCode::model, "tensor ", prefix, ".encoder.0.weight has ", base,
              " output channels");
  config.base_channels = static_cast<int>(base);
  // Memory is taken for a network of this size before all of its tensors are looked at: it must be in the file.
  const auto expect = [&](const std::string& name, std::int64_t out, std::int64_t in, std::int64_t k) {
    CLADE_CHECK(shape_of(name) == (std::vector<std::int64_t>{out, in, k, k}), ErrorCode::model, "tensor ", prefix, ".",
                name, " does not fit a network of ", base, " channels");
  };
  expect("encoder.0.weight", base, 1, 7);
  expect("encoder.1.weight", 2 * base, base, 3);
  expect("encoder.2.weight", 4 * base, 2 * base, 3);
  const auto conv1 = [&] { return str("residual.", config.residual_blocks, ".conv1.weight"); };
  for (config.residual_blocks = 0; tensors.contains(prefix + "." + conv1()); ++config.residual_blocks)
    expect(conv1(), 4 * base, 4 * base, 3);
  config.upsampling = shape_of("decoder.0.weight")[0] == 4 * base ? Upsampling::transposed : Upsampling::resize;
  return config;
}

struct SuperResolver::Impl {
  Impl(const TensorFile& file, std::optional<Norm> norm, Stream& s)
      : stream(s),
        metadata(ModelMetadata::from_strings(file.metadata)),
        block({kNet}),
        generator(generator_config(file.tensors, kNet, norm.value_or(metadata.norm.value_or(Norm::demod))), block),
        arena(s.device()) {
    block.allocate(s);
    block.import_from(s, file.tensors, block.values(), "", true);
    scales.emplace(s, generator, block);
  }

  Stream& stream;
  ModelMetadata metadata;
  ParameterBlock block;
  Generator generator;
  std::optional<DemodulationScales> scales;
  Arena arena;
};

SuperResolver::SuperResolver(const TensorFile& file, std::optional<Norm> norm, Stream& stream)
    : impl_(std::make_unique<Impl>(file, norm, stream)) {}
SuperResolver::~SuperResolver() = default;
SuperResolver::SuperResolver(SuperResolver&&) noexcept = default;

const GeneratorConfig& SuperResolver::config() const { return impl_->generator.config(); }
const ModelMetadata& SuperResolver::metadata() const { return impl_->metadata; }
Stream& SuperResolver::stream() const { return impl_->stream; }

void SuperResolver::apply(View<const float> x, View<float> y) {
  CLADE_CHECK(x.shape.rank() == 3 && x.shape == y.shape, ErrorCode::internal, "applying the model to ", x.shape,
              " with a result of ", y.shape);
  impl_->arena.reset();
  Tape tape(impl_->stream, impl_->arena, Tape::Mode::forget);
  const Generator::Weights weights{impl_->block.bind_constants(tape, impl_->block.values()), impl_->scales->views()};
  const Var in = tape.constant(View<const float>(x.data, {1, x.shape[0], x.shape[1], x.shape[2], 1}));
  const View<const float> out = tape.value(impl_->generator.forward(tape, weights, in));
  impl_->stream.copy_on_device(y.data, out.data, static_cast<std::size_t>(y.size()) * sizeof(float));
}

void SuperResolver::apply(std::span<const float> x, int count, int h, int w, std::span<float> y) {
  const auto expected = static_cast<std::size_t>(count) * static_cast<std::size_t>(h) * static_cast<std::size_t>(w);
  CLADE_CHECK(x.size() == expected && y.size() == expected, ErrorCode::usage, count, " patches of ", h, " x ", w, " are ",
              expected, " values, got ", x.size(), " in and ", y.size(), " out");
  Stream& stream = impl_->stream;
  const Shape shape{count, h, w};
  const Tensor in(stream, shape, x);
  Tensor out(stream, shape);
  apply(in.view(), out.view());
  stream.copy_to_host(y.data(), out.view().data, y.size_bytes());
}

SuperResolver load_model(const std::filesystem::path& path, std::optional<Norm> norm, Stream& stream) {
  const TensorFile file = read_safetensors(path);
  return with_context(path.string(), [&] { return SuperResolver(file, norm, stream); });
}

}  // namespace clade
