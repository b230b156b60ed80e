// SPDX-License-Identifier: Apache-2.0
// A file of patches, as clade_train --patches reads it. Last byte: bit 0 shuffled.
#include <algorithm>
#include <cmath>
#include <vector>

#include "fuzz/fuzzing.h"
#include "tools/training_data.h"

using namespace clade;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view bytes = fuzz::text_of(data, size);
  TrainingSettings settings;
  settings.shuffle = fuzz::take_mode(bytes) & 1u;
  settings.train.patch = 4;
  settings.patches = fuzz::folder().write("patches.safetensors", bytes).string();
  static ThreadPool pool(1);
  fuzz::accepted([&] {
    const TrainingData opened = open_training_data(settings, pool, {});
    std::vector<float> x(16), y(16);
    for (std::int64_t epoch = 0; epoch < 2; ++epoch) {
      const std::int64_t pairs = opened.pairs->begin_epoch(epoch, pool);
      fuzz::require(pairs > 0, "an epoch has pairs");
      for (std::int64_t pair = 0; pair < pairs; ++pair) {
        opened.pairs->read_pair(pair, x.data(), y.data());
        for (const auto* values : {&x, &y})
          fuzz::require(std::all_of(values->begin(), values->end(), [](float v) { return std::abs(v) <= 1.0f; }),
                        "pixels lie in [-1, 1]");
      }
    }
  });
  return 0;
}
