// SPDX-License-Identifier: Apache-2.0
// One part of a transform at a time, for transforms whose parts are sums of a few pixels.
#pragma once

#include <cstdint>

#include "kernels/cpu/panel_product.h"

namespace clade::kernels::cpu {

/// One of the parts of a transformed tile of N x N pixels: a sum of a few of them.
template <int N>
class TilePart {
 public:
  /// What rows and columns count.
  TilePart(const float (&rows)[N], const float (&columns)[N]) {
    for (int i = 0; i < N; ++i)
      for (int j = 0; j < N; ++j)
        if (rows[i] * columns[j] != 0.0f) terms_[count_++] = {i, j, rows[i] * columns[j]};
  }
  /// In blocks of `width` channels, `step` apart; pixel(row, column) points to channels, or is null for zeros.
  template <class Pixel>
  void write(const Pixel& pixel, std::int64_t channels, float* out, std::int64_t width, std::int64_t step) const {
    const float* pixels[N * N];
    float factors[N * N];
    int count = 0;
    for (int k = 0; k < count_; ++k) {
      const float* from = pixel(terms_[k].row, terms_[k].column);
      if (!from) continue;
      pixels[count] = from;
      factors[count++] = terms_[k].factor;
    }
    for (std::int64_t channel = 0; channel < channels; channel += kPanel) {
      float* to = out + channel / width * step + channel % width;
      for (std::int64_t i = channel; i < channel + kPanel; i += kWideLanes, to += kWideLanes) {
        WideLanes sum{};
        for (int k = 0; k < count; ++k) sum += factors[k] * load<WideLanes>(pixels[k] + i);
        store(to, sum);
      }
    }
  }

 private:
  struct Term {
    int row, column;
    float factor;
  };
  int count_ = 0;
  Term terms_[N * N];
};

}  // namespace clade::kernels::cpu
