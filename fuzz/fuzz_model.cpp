// SPDX-License-Identifier: Apache-2.0
// What a model file says of itself. Last byte modulo 4: 0 the whole file; 1 metadata, lines of key=value, in a model
// that is right otherwise; 2 the same lines change tensors: "name=" removes one, "name=2,3" gives it that shape;
// 3 config.json of a run folder.
#include <algorithm>
#include <charconv>

#include <nlohmann/json.hpp>

#include "fuzz/fuzzing.h"
#include "fuzz/tiny_model.h"
#include "models/super_resolve.h"
#include "tools/training_settings.h"

namespace {

using namespace clade;

template <class Body>
void for_each_entry(std::string_view text, const Body& body) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const auto equals = line.find('=');
    if (equals != line.npos) body(std::string(line.substr(0, equals)), line.substr(equals + 1));
  }
}

void reshape(HostTensor& tensor, std::string_view extents) {
  tensor.shape.clear();
  std::size_t count = 1;
  while (!extents.empty() && tensor.shape.size() < 8) {
    const std::string_view word = extents.substr(0, extents.find(','));
    extents.remove_prefix(std::min(word.size() + 1, extents.size()));
    std::uint16_t extent = 0;
    std::from_chars(word.data(), word.data() + word.size(), extent);
    // No more than a file of fuzzing size could hold.
    if (count * extent > 1u << 16) extent = 0;
    tensor.shape.push_back(extent);
    count *= extent;
  }
  tensor.values.assign(count, 0.5f);
}

void check_metadata(const ModelMetadata& metadata) {
  const auto strings = metadata.to_strings();
  fuzz::require(ModelMetadata::from_strings(strings).to_strings() == strings, "metadata comes back");
}

void load_and_plan(const TensorFile& file) {
  static ThreadPool pool(1);
  Stream stream(Device{}, pool);
  SuperResolver model(file, {}, stream);
  check_metadata(model.metadata());
  Geometry geometry;
  geometry.size = {16, 16, 4};
  geometry.spacing = {1, 1, 4};
  geometry.affine = {{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 4, 0}}};
  const SuperResolvePlan plan = plan_super_resolution(geometry, model.metadata(), model.config(), {});
  fuzz::require(plan.patches > 0 && plan.peak_memory_bytes > 0, "a plan has work in it");
}

void read_settings(std::string_view text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_discarded()) return;
  const TrainingSettings settings = settings_from_json(json);
  const nlohmann::ordered_json written = to_json(settings);
  fuzz::require(to_json(settings_from_json(written)) == written, "settings come back");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view bytes = fuzz::text_of(data, size);
  const unsigned mode = fuzz::take_mode(bytes) % 4;
  fuzz::accepted([&] {
    if (mode == 3) return read_settings(bytes);
    TensorFile file;
    if (mode == 0) {
      file = read_safetensors(fuzz::folder().write("model.safetensors", bytes));
    } else {
      file = fuzz::tiny_model(1);
      for_each_entry(bytes, [&](const std::string& key, std::string_view value) {
        if (mode == 1) {
          file.metadata[key] = value;
        } else if (value.empty()) {
          file.tensors.erase(key);
        } else {
          reshape(file.tensors[key], value);
        }
      });
    }
    load_and_plan(file);
  });
  return 0;
}
