// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/meetings.h"

#include <algorithm>

namespace clade::kernels::cpu {

Meetings::Meetings(const AxisMap& map, int taps, Side side) : falling_(side == Side::pixel) {
  const int count = side == Side::window ? map.windows() : map.extent();
  for (int i = 0; i < count; ++i) {
    begin_.push_back(meetings_.size());
    if (side == Side::window) {
      for (int tap = 0; tap < taps; ++tap)
        if (const int source = map.source(i, tap); source >= 0) meetings_.push_back({tap, source});
    } else {
      for (const auto& reader : map.readers(i)) meetings_.push_back({reader.tap, reader.window});
    }
    const std::span<const Meeting> own(meetings_.begin() + static_cast<std::ptrdiff_t>(begin_.back()), meetings_.end());
    bool neighbours = static_cast<int>(own.size()) == taps;
    for (int k = 0; neighbours && k < taps; ++k) {
      const Meeting& meeting = own[static_cast<std::size_t>(k)];
      neighbours = meeting.other == own[0].other + k && meeting.tap == (falling_ ? taps - 1 - k : k);
    }
    first_.push_back(neighbours ? own[0].other : -1);
  }
  begin_.push_back(meetings_.size());
  for (int i = 0; i < count;) {
    int end = i + 1;
    while (end < count && first(i) >= 0 && first(end) == first(i) + end - i) ++end;
    if (first(i) >= 0 && end - i > run_.count) run_ = {i, end - i};
    i = end;
  }
}

}  // namespace clade::kernels::cpu
