// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <iterator>
#include <vector>

#include "core/philox.h"
#include "tests/support/catch.h"

using namespace clade;

TEST_CASE("philox4x32-10 gives the published known answers", "[core]") {
  // From the known-answer file of Random123, the authors' own implementation.
  using Block = std::vector<std::uint32_t>;
  const auto philox = [](const PhiloxWords& counter, std::uint32_t key0, std::uint32_t key1) {
    const PhiloxWords words = philox4x32(counter, key0, key1);
    return Block(std::begin(words.word), std::end(words.word));
  };
  CHECK(philox({{0, 0, 0, 0}}, 0, 0) == Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox({{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}}, 0xffffffff, 0xffffffff) ==
        Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0) ==
        Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("random sequences are functions of seed, use and index", "[core]") {
  const auto first = [](std::uint64_t seed, RandomUse use, std::uint64_t index) {
    RandomSequence random(seed, use, index);
    return random.next_u32();
  };
  const std::uint32_t base = first(1, RandomUse::weights, 2);
  CHECK(first(1, RandomUse::weights, 2) == base);
  CHECK(first(2, RandomUse::weights, 2) != base);
  CHECK(first(1 + (std::uint64_t{1} << 32), RandomUse::weights, 2) != base);
  CHECK(first(1, RandomUse::patches, 2) != base);
  CHECK(first(1, RandomUse::weights, 3) != base);
  CHECK(first(1, RandomUse::weights, 2 + (std::uint64_t{1} << 32)) != base);
}

TEST_CASE("a sequence goes through the words of its blocks", "[core]") {
  RandomSequence random(5, RandomUse::test, 9);
  for (std::uint32_t block = 0; block < 3; ++block) {
    const PhiloxWords expected = philox4x32({{block, static_cast<std::uint32_t>(RandomUse::test), 9, 0}}, 5, 0);
    for (std::uint32_t word : expected.word) CHECK(random.next_u32() == word);
  }
}

TEST_CASE("bounded integers are in range and even", "[core]") {
  RandomSequence random(3, RandomUse::test, 0);
  int counts[7] = {};
  for (int draw = 0; draw < 70000; ++draw) ++counts[random.next_below(7)];
  // 10000 each with a standard deviation of 93; five of them.
  for (int count : counts) CHECK(std::abs(count - 10000) < 470);
}

TEST_CASE("normal numbers have mean 0, variance 1 and normal tails", "[core]") {
  RandomSequence random(4, RandomUse::test, 0);
  constexpr int kDraws = 100000;
  double sum = 0.0, squares = 0.0;
  int beyond_two = 0;
  for (int draw = 0; draw < kDraws; ++draw) {
    const double value = random.next_normal();
    sum += value;
    squares += value * value;
    beyond_two += std::abs(value) > 2.0;
  }
  // Five standard deviations of each estimate: 1 / sqrt(n), sqrt(2 / n), sqrt(p (1 - p) / n).
  CHECK(std::abs(sum / kDraws) < 5 * 0.0032);
  CHECK(std::abs(squares / kDraws - 1.0) < 5 * 0.0045);
  CHECK(std::abs(static_cast<double>(beyond_two) / kDraws - 0.0455) < 5 * 0.00066);
}
