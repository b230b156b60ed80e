// SPDX-License-Identifier: Apache-2.0
#include "io/safetensors.h"

#include <zlib.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>

#include "tests/support/errors.h"
#include "tests/support/temp_dir.h"

using namespace clade;
using clade::test::contains;
using clade::test::error_of;
using clade::test::TempDir;

namespace {

namespace fs = std::filesystem;

std::string with_length(std::uint64_t length, const std::string& rest) {
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + rest;
}

// A file of this header and so many bytes of data.
std::string file_of(const std::string& header, std::size_t data) {
  return with_length(header.size(), header + std::string(data, '\0'));
}

template <class T>
std::string bytes_of(std::initializer_list<T> values) {
  return {reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(T)};
}

}  // namespace

TEST_CASE("tensors and metadata come back from their file", "[safetensors]") {
  const TempDir folder;
  TensorFile file;
  file.tensors["b"] = {{2, 3}, {1, 2, 3, 4, 5, 6}};
  file.tensors["a.weight"] = {{1}, {-0.5f}};
  file.tensors["empty"] = {{0, 4}, {}};
  file.tensors["scalar"] = {{}, {7}};
  file.metadata = {{"norm", "demod"}, {"quote", "a \"b\"\n\xc3\xa9"}};
  write_safetensors(folder / "m.safetensors", file);
  const TensorFile back = read_safetensors(folder / "m.safetensors");
  CHECK(back.metadata == file.metadata);
  REQUIRE(back.tensors.size() == 4);
  for (const auto& [name, tensor] : file.tensors) {
    CHECK(back.at(name).shape == tensor.shape);
    CHECK(back.at(name).values == tensor.values);
  }
  CHECK(contains(error_of(ErrorCode::model, [&] { back.at("none"); }), "'none'"));
  error_of(ErrorCode::input, [&] { back.at("none", ErrorCode::input); });
  CHECK(folder.count() == 1);
}

TEST_CASE("the bytes of a file are those of the format", "[safetensors]") {
  const TempDir folder;
  TensorFile file;
  file.tensors["w"] = {{2}, {1.0f, -2.0f}};
  write_safetensors(folder / "a.safetensors", file);
  // The sum is that of the file with zeros in its place; the header is padded to a multiple of 8.
  const auto file_with = [](const std::string& sum) {
    const std::string header = R"({"__metadata__":{"checksum":")" + sum + R"(","checksum_kind":"crc32"},)" +
                               R"("w":{"data_offsets":[0,8],"dtype":"F32","shape":[2]}})";
    REQUIRE(header.size() == 117);
    return with_length(120, header + "   " + bytes_of({1.0f, -2.0f}));
  };
  const std::string zeros = file_with("00000000");
  char sum[9];
  std::snprintf(sum, sizeof sum, "%08lx", crc32(0, reinterpret_cast<const Bytef*>(zeros.data()), uInt(zeros.size())));
  CHECK(test::read_bytes(folder / "a.safetensors") == file_with(sum));
}

TEST_CASE("damage anywhere in a file is noticed", "[safetensors]") {
  const TempDir folder;
  const fs::path path = folder / "a.safetensors";
  write_safetensors(path, TensorFile{{{"v", {{3}, {0.5f, 0, 3e8f}}}, {"w", {{2, 1}, {1, -2}}}}, {{"seed", "7"}}});
  const std::string good = test::read_bytes(path);
  for (std::size_t at = 0; at < good.size(); ++at)
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ (1 << bit));
      test::write_bytes(path, bad);
      INFO("byte " << at << ", bit " << bit);
      CHECK(contains(error_of(ErrorCode::model, [&] { read_safetensors(path); }), path.string()));
    }
  test::write_bytes(path, good);
  CHECK(read_safetensors(path).metadata == std::map<std::string, std::string>{{"seed", "7"}});
}

TEST_CASE("an empty file of tensors is legal", "[safetensors]") {
  const TempDir folder;
  write_safetensors(folder / "a.safetensors", TensorFile{});
  CHECK(read_safetensors(folder / "a.safetensors").tensors.empty());
}

TEST_CASE("other real types are converted", "[safetensors]") {
  const TempDir folder;
  const std::string header = R"({"h":{"dtype":"F16","shape":[7],"data_offsets":[24,38]},)"
                             R"("d":{"dtype":"F64","shape":[3],"data_offsets":[0,24]},)"
                             R"("b":{"dtype":"BF16","shape":[2],"data_offsets":[38,42]}})";
  const std::string data = bytes_of<double>({0.1, -1e300, 3.0}) +
                           bytes_of<std::uint16_t>({0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0x8000, 0x7e00}) +
                           bytes_of<std::uint16_t>({0x3f80, 0xc049});
  test::write_bytes(folder / "a.safetensors", with_length(header.size(), header + data));
  const TensorFile file = read_safetensors(folder / "a.safetensors");
  const auto& d = file.at("d").values;
  CHECK(d[0] == 0.1f);
  CHECK(d[1] == -std::numeric_limits<float>::infinity());
  CHECK(d[2] == 3.0f);
  const auto& h = file.at("h").values;
  CHECK(h[0] == 1.0f);
  CHECK(h[1] == -2.0f);
  CHECK(h[2] == std::ldexp(1.0f, -24));  // the smallest subnormal
  CHECK(h[3] == 65504.0f);               // the largest half
  CHECK(std::isinf(h[4]));
  CHECK(std::signbit(h[5]));
  CHECK(std::isnan(h[6]));
  const auto& b = file.at("b").values;
  CHECK(b[0] == 1.0f);
  CHECK(b[1] == -3.140625f);
}

TEST_CASE("hostile files are refused with path and cause", "[safetensors]") {
  struct Case {
    const char* cause;
    std::string bytes;
  };
  const auto tensor = [](const char* dtype, const char* shape, const char* offsets, std::size_t data) {
    return file_of(str(R"({"w":{"dtype":")", dtype, R"(","shape":)", shape, R"(,"data_offsets":)", offsets, "}}"),
                   data);
  };
  const std::string two = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                          R"("b":{"dtype":"F32","shape":[2],"data_offsets":)";
  const Case cases[] = {
      {"not a safetensors file", ""},
      {"not a safetensors file", "1234567"},
      {"header of", with_length(100, "{}")},
      {"header of", with_length(~std::uint64_t{0}, "{}")},
      {"header of", with_length(100'000'001, "{}")},
      {"not valid JSON", file_of("", 0)},
      {"not valid JSON", file_of("{", 0)},
      {"not valid JSON", file_of("{\"a\xff\":1}", 0)},
      {"not valid JSON", file_of("{}x", 0)},
      {"too deep", file_of(R"({"a":)" + std::string(10000, '[') + std::string(10000, ']') + "}", 0)},
      {"not an object", file_of("[]", 0)},
      {"not an object", file_of(R"({"w":3})", 0)},
      {"no 'dtype'", file_of(R"({"w":{"shape":[1],"data_offsets":[0,4]}})", 4)},
      {"no 'data_offsets'", file_of(R"({"w":{"dtype":"F32","shape":[1]}})", 4)},
      {"\"I64\"", tensor("I64", "[1]", "[0,8]", 8)},
      {"'shape'", tensor("F32", "3", "[0,4]", 4)},
      {"'shape'", tensor("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]", 4)},
      {"extent", tensor("F32", "[-1]", "[0,4]", 4)},
      {"extent", tensor("F32", "[1.0]", "[0,4]", 4)},
      {"more than the file holds", tensor("F32", "[4294967296,4294967296]", "[0,4]", 4)},
      {"more than the file holds", tensor("F32", "[3,3,3,3]", "[0,64]", 64)},
      {"list of two", tensor("F32", "[1]", "[0]", 4)},
      {"offset", tensor("F32", "[1]", "[-4,0]", 4)},
      {"before it begins", tensor("F32", "[1]", "[4,0]", 4)},
      {"of 4 bytes", tensor("F32", "[2]", "[0,8]", 4)},
      {"takes 4 bytes", tensor("F32", "[1]", "[0,8]", 8)},
      {"takes 0 bytes", tensor("F32", "[0,2]", "[0,8]", 8)},
      {"gap of 4 bytes", tensor("F32", "[1]", "[4,8]", 8)},
      {"take 4 of 8 bytes", tensor("F32", "[1]", "[0,4]", 8)},
      {"overlaps", file_of(two + "[4,12]}}", 12)},
      {"overlaps", file_of(two + "[0,8]}}", 8)},
      {"gap", file_of(two + "[12,20]}}", 20)},
      {"\"a\" is there twice", file_of(R"({"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},)"
                                       R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                                       4)},
      {"is not a string", file_of(R"({"__metadata__":{"seed":1}})", 0)},
      {"not an object", file_of(R"({"__metadata__":[]})", 0)},
  };
  const TempDir folder;
  const auto path = folder / "bad.safetensors";
  for (const Case& hostile : cases) {
    test::write_bytes(path, hostile.bytes);
    const std::string message = error_of(ErrorCode::model, [&] { read_safetensors(path); });
    INFO(message);
    CHECK(contains(message, path.string() + ": "));
    CHECK(contains(message, hostile.cause));
    CHECK_FALSE(contains(message, "\n"));
  }
}

TEST_CASE("every truncation of a file is noticed", "[safetensors]") {
  const TempDir folder;
  TensorFile file;
  file.tensors["w"] = {{2, 2}, {1, 2, 3, 4}};
  write_safetensors(folder / "a.safetensors", file);
  const std::string bytes = test::read_bytes(folder / "a.safetensors");
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    test::write_bytes(folder / "b.safetensors", bytes.substr(0, size));
    error_of(ErrorCode::input, [&] { read_safetensors(folder / "b.safetensors", ErrorCode::input); });
  }
}

TEST_CASE("files that are not there, and folders", "[safetensors]") {
  const TempDir folder;
  CHECK(contains(error_of(ErrorCode::model, [&] { read_safetensors(folder / "none"); }), "no such file"));
  error_of(ErrorCode::model, [&] { read_safetensors(folder.path()); });
  error_of(ErrorCode::output, [&] { write_safetensors(folder / "none/a.safetensors", TensorFile{}); });
}

TEST_CASE("a tensor whose shape is not its size is not written", "[safetensors]") {
  const TempDir folder;
  TensorFile file;
  file.tensors["w"] = {{3}, {1, 2}};
  error_of(ErrorCode::internal, [&] { write_safetensors(folder / "a.safetensors", file); });
  CHECK(folder.count() == 0);
}
