// SPDX-License-Identifier: Apache-2.0
#include <zlib.h>

#include <random>
#include <string>

#include "io/gzip_encoder.h"
#include "tests/support/catch.h"

using namespace clade;

namespace {

// Text-like data, so that matches reach back over the borders of blocks.
std::string sample(std::size_t size) {
  std::mt19937 generator(7);
  std::string text;
  while (text.size() < size) text += "voxel " + std::to_string(generator() % 1000) + ' ';
  text.resize(size);
  return text;
}

std::string compress(ThreadPool* pool, const std::string& text, std::size_t piece) {
  std::string stream;
  GzipEncoder encoder(
      pool, [&](const void* bytes, std::size_t size) { stream.append(static_cast<const char*>(bytes), size); });
  for (std::size_t first = 0; first < text.size(); first += piece)
    encoder.write(text.data() + first, std::min(piece, text.size() - first));
  encoder.finish();
  return stream;
}

// zlib's own reader, which checks length and checksum; one stream and nothing behind it.
std::string expand(const std::string& stream, std::size_t size) {
  std::string text(size + 1, '\0');
  z_stream z{};
  constexpr int kGzip = 15 + 16;
  REQUIRE(inflateInit2(&z, kGzip) == Z_OK);
  z.next_in = reinterpret_cast<unsigned char*>(const_cast<char*>(stream.data()));
  z.avail_in = static_cast<unsigned>(stream.size());
  z.next_out = reinterpret_cast<unsigned char*>(text.data());
  z.avail_out = static_cast<unsigned>(text.size());
  CHECK(inflate(&z, Z_FINISH) == Z_STREAM_END);
  CHECK(z.avail_in == 0);
  text.resize(z.total_out);
  inflateEnd(&z);
  return text;
}

}  // namespace

TEST_CASE("a gzip stream of any length is read back by zlib", "[gzip]") {
  ThreadPool pool(3);
  constexpr std::size_t kRound = std::size_t{8} << 20;  // what is in work at once
  for (std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{100000}, kRound - 1, kRound, kRound + 1, 2 * kRound + 777}) {
    INFO(size << " bytes");
    const std::string text = sample(size);
    const std::string stream = compress(&pool, text, 1 << 20);
    CHECK(expand(stream, size) == text);
    if (size > 1000) CHECK(stream.size() < size / 2);
  }
}

TEST_CASE("a gzip stream depends neither on the threads nor on the pieces it is given in", "[gzip]") {
  ThreadPool pool(2);
  const std::string text = sample(3000000);
  const std::string stream = compress(nullptr, text, text.size());
  CHECK(compress(&pool, text, text.size()) == stream);
  CHECK(compress(&pool, text, 12345) == stream);
}
