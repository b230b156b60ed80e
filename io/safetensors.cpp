// SPDX-License-Identifier: Apache-2.0
#include "io/safetensors.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <set>
#include <string_view>

#include <nlohmann/json.hpp>

#include "core/atomic_file.h"
#include "io/byte_file.h"
#include "io/safetensors_checksum.h"

namespace clade {

namespace {

using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "the file format is little-endian, and so is this code");

constexpr std::uint64_t kMaxHeader = 100'000'000;
constexpr std::size_t kLengthField = sizeof(std::uint64_t);
constexpr std::size_t kAlignment = 8;
constexpr std::size_t kMaxRank = 8;
constexpr char kMetadata[] = "__metadata__";

// A problem of the file; read_safetensors gives it the caller's code and the path.
template <class... Parts>
[[noreturn]] void reject(const Parts&... parts) {
  fail(ErrorCode::input, parts...);
}

// A name from the file on one line of plain ASCII, whatever it holds.
std::string quoted(const std::string& name) { return json(name).dump(-1, ' ', true, json::error_handler_t::replace); }

enum class Dtype { f16, bf16, f32, f64 };

Dtype parse_dtype(const std::string& name) {
  if (name == "F32") return Dtype::f32;
  if (name == "F16") return Dtype::f16;
  if (name == "BF16") return Dtype::bf16;
  if (name == "F64") return Dtype::f64;
  reject("type ", quoted(name), ", expected F32, F16, BF16 or F64");
}

std::uint64_t dtype_bytes(Dtype dtype) { return dtype == Dtype::f64 ? 8 : dtype == Dtype::f32 ? 4 : 2; }

float half_to_float(std::uint16_t half) {
  const int exponent = (half >> 10) & 31;
  const int fraction = half & 1023;
  float magnitude;
  if (exponent == 31) {
    magnitude = fraction ? std::numeric_limits<float>::quiet_NaN() : std::numeric_limits<float>::infinity();
  } else if (exponent == 0) {
    magnitude = std::ldexp(static_cast<float>(fraction), -24);
  } else {
    magnitude = std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
  }
  return half & 0x8000 ? -magnitude : magnitude;
}

float bfloat_to_float(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

template <class Stored, class Convert>
void convert(const std::vector<char>& bytes, std::vector<float>& values, const Convert& to_float) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    Stored stored;
    std::memcpy(&stored, bytes.data() + i * sizeof(Stored), sizeof(Stored));
    values[i] = to_float(stored);
  }
}

// One tensor as the header describes it.
struct Entry {
  std::string name;
  Dtype dtype;
  std::vector<std::int64_t> shape;
  std::uint64_t count;
  std::uint64_t begin;
  std::uint64_t end;
};

std::uint64_t natural(const json& value, const char* what) {
  if (!value.is_number_unsigned()) reject(what, " is not a whole number from 0");
  return value.get<std::uint64_t>();
}

const json& member(const json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end()) reject("no '", name, "'");
  return *found;
}

Entry parse_entry(const std::string& name, const json& object, std::uint64_t data_size) {
  if (!object.is_object()) reject("not an object");
  const json& dtype = member(object, "dtype");
  const json& shape = member(object, "shape");
  const json& offsets = member(object, "data_offsets");
  if (!dtype.is_string()) reject("'dtype' is not a string");
  if (!shape.is_array() || shape.size() > kMaxRank) reject("'shape' is not a list of at most ", kMaxRank);
  if (!offsets.is_array() || offsets.size() != 2) reject("'data_offsets' is not a list of two");

  Entry entry{name, parse_dtype(dtype.get<std::string>()), {},
              1,    natural(offsets[0], "offset"),         natural(offsets[1], "offset")};
  if (entry.begin > entry.end) reject("ends at byte ", entry.end, " before it begins at byte ", entry.begin);
  if (entry.end > data_size) reject("ends at byte ", entry.end, " of ", data_size, " bytes of data");
  bool empty = false;
  for (const json& value : shape) {
    const std::uint64_t extent = natural(value, "extent");
    // No real tensor is larger than the file, whatever its other extents.
    if (extent > data_size) reject("extent ", extent, " is more than the file holds");
    entry.shape.push_back(static_cast<std::int64_t>(extent));
    if (extent == 0) {
      empty = true;
    } else {
      if (entry.count > data_size / extent) reject("shape ", shape.dump(), " is more than the file holds");
      entry.count *= extent;
    }
  }
  if (empty) entry.count = 0;
  const std::uint64_t bytes = entry.count * dtype_bytes(entry.dtype);
  if (bytes != entry.end - entry.begin)
    reject("shape ", shape.dump(), " takes ", bytes, " bytes, its offsets hold ", entry.end - entry.begin);
  return entry;
}

// Parses JSON that names nothing twice and nests no deeper than the format does.
json parse_header(const std::string& text) {
  std::set<std::string> names;
  constexpr int kMaxDepth = 2;
  const auto watch = [&](int depth, json::parse_event_t event, json& parsed) {
    if ((event == json::parse_event_t::object_start || event == json::parse_event_t::array_start) && depth > kMaxDepth)
      reject("header nests too deep");
    if (event == json::parse_event_t::key && depth == 1 && !names.insert(parsed.get<std::string>()).second)
      reject(quoted(parsed.get<std::string>()), " is there twice");
    return true;
  };
  try {
    return json::parse(text, watch);
  } catch (const json::exception&) {
    // The library's message quotes the offending bytes, which may be anything.
    reject("header is not valid JSON");
  }
}

void parse_metadata(const json& object, std::map<std::string, std::string>& metadata) {
  if (!object.is_object()) reject("not an object");
  for (const auto& [key, value] : object.items()) {
    if (!value.is_string()) reject(quoted(key), " is not a string");
    metadata[key] = value.get<std::string>();
  }
}

std::vector<Entry> parse_entries(const json& header, std::uint64_t data_size, TensorFile& file) {
  if (!header.is_object()) reject("header is not an object");
  std::vector<Entry> entries;
  for (const auto& [name, value] : header.items())
    with_context(quoted(name), [&, &name = name, &value = value] {
      if (name == kMetadata) {
        parse_metadata(value, file.metadata);
      } else {
        entries.push_back(parse_entry(name, value, data_size));
      }
    });
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.begin != b.begin ? a.begin < b.begin : a.end < b.end; });
  std::uint64_t covered = 0;
  for (const Entry& entry : entries) {
    if (entry.begin < covered) reject(quoted(entry.name), ": overlaps another tensor");
    if (entry.begin > covered)
      reject(quoted(entry.name), ": a gap of ", entry.begin - covered, " bytes lies before it");
    covered = entry.end;
  }
  if (covered != data_size) reject("the tensors take ", covered, " of ", data_size, " bytes of data");
  return entries;
}

void read_bytes(std::ifstream& stream, void* to, std::uint64_t size) {
  if (!stream.read(static_cast<char*>(to), static_cast<std::streamsize>(size))) reject("the file is truncated");
}

void read_values(std::ifstream& stream, const Entry& entry, std::vector<float>& values, Crc32& sum) {
  const auto read = [&](void* to) {
    read_bytes(stream, to, entry.end - entry.begin);
    sum.add(to, static_cast<std::size_t>(entry.end - entry.begin));
  };
  values.resize(static_cast<std::size_t>(entry.count));
  if (entry.dtype == Dtype::f32) return read(values.data());
  std::vector<char> bytes(static_cast<std::size_t>(entry.end - entry.begin));
  read(bytes.data());
  switch (entry.dtype) {
    case Dtype::f16:
      return convert<std::uint16_t>(bytes, values, half_to_float);
    case Dtype::bf16:
      return convert<std::uint16_t>(bytes, values, bfloat_to_float);
    default:
      return convert<double>(bytes, values, [](double value) { return static_cast<float>(value); });
  }
}

TensorFile read_file(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) reject("no such file");
  if (!std::filesystem::is_regular_file(path, error)) reject("not a regular file");
  const std::uint64_t file_size = std::filesystem::file_size(path, error);
  std::ifstream stream(path, std::ios::binary);
  if (error || !stream) reject("cannot open");
  if (file_size < kLengthField) reject("not a safetensors file: ", file_size, " bytes");

  std::uint64_t header_size = 0;
  read_bytes(stream, &header_size, kLengthField);
  if (header_size > kMaxHeader || header_size > file_size - kLengthField)
    reject("not a safetensors file, or truncated: header of ", header_size, " bytes in a file of ", file_size);
  std::string text(static_cast<std::size_t>(header_size), '\0');
  read_bytes(stream, text.data(), header_size);

  TensorFile file;
  const std::uint64_t data_size = file_size - kLengthField - header_size;
  const std::vector<Entry> entries = parse_entries(parse_header(text), data_size, file);
  const std::string expected = take_checksum(file.metadata, text);
  Crc32 sum;
  sum.add(&header_size, kLengthField);
  sum.add(text.data(), text.size());
  // In the order of their offsets and without gaps: the file is read straight through.
  for (const Entry& entry : entries) {
    HostTensor& tensor = file.tensors[entry.name];
    tensor.shape = entry.shape;
    read_values(stream, entry, tensor.values, sum);
  }
  if (!expected.empty() && sum.digits() != expected)
    reject("damaged file: its checksum is ", sum.digits(), ", it should be ", expected);
  return file;
}

std::uint64_t byte_count(const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (std::int64_t extent : shape) count *= extent;
  return static_cast<std::uint64_t>(count) * sizeof(float);
}

template <class File>
std::string make_header(const File& file) {
  // nlohmann's objects are sorted by key, so equal contents make equal bytes.
  json header = json::object();
  header[kMetadata] = file.metadata;
  header[kMetadata][kChecksumKindKey] = kChecksumKind;
  header[kMetadata][kChecksumKey] = kZeroChecksum;
  std::uint64_t offset = 0;
  for (const auto& [name, tensor] : file.tensors) {
    const std::uint64_t end = offset + byte_count(tensor.shape);
    header[name] = {{"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump(-1, ' ', false, json::error_handler_t::replace);
  text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  return text;
}

// The header comes first, the checksum of the data is known last.
void write_checksum(const std::filesystem::path& path, std::size_t position, const std::string& digits) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(position)) << digits << std::flush;
  CLADE_CHECK(file, ErrorCode::output, "cannot write ", path.string());
}

/// visit(tensor, sink) hands the values of one of the file's tensors to the sink.
template <class File, class Visit>
void write_file(const std::filesystem::path& path, const File& file, const Visit& visit) {
  const std::string header = make_header(file);
  write_atomically(path, [&](const std::filesystem::path& temporary) {
    ByteWriter writer(temporary, Compression::none, path);
    Crc32 sum;
    const auto write = [&](const void* bytes, std::size_t size) {
      sum.add(bytes, size);
      writer.write(bytes, size);
    };
    const std::uint64_t size = header.size();
    write(&size, sizeof(size));
    write(header.data(), header.size());
    for (const auto& [name, tensor] : file.tensors) {
      std::uint64_t written = 0;
      visit(tensor, [&](std::span<const float> values) {
        write(values.data(), values.size_bytes());
        written += values.size_bytes();
      });
      CLADE_CHECK(written == byte_count(tensor.shape), ErrorCode::internal, "tensor ", name, " has ", written,
                  " bytes, which is not its shape");
    }
    writer.close();
    write_checksum(temporary, kLengthField + checksum_position(header), sum.digits());
  });
}

}  // namespace

const HostTensor& TensorFile::at(const std::string& name, ErrorCode code) const {
  const auto found = tensors.find(name);
  CLADE_CHECK(found != tensors.end(), code, "no tensor '", name, "'");
  return found->second;
}

TensorFile read_safetensors(const std::filesystem::path& path, ErrorCode code) {
  try {
    return read_file(path);
  } catch (const Error& error) {
    fail(code, path.string(), ": ", error.what());
  }
}

HostTensor load(const LazyTensor& tensor) {
  HostTensor made{tensor.shape, {}};
  tensor.values([&](std::span<const float> part) { made.values.insert(made.values.end(), part.begin(), part.end()); });
  return made;
}

std::map<std::string, HostTensor> load(const std::map<std::string, LazyTensor>& tensors) {
  std::map<std::string, HostTensor> loaded;
  for (const auto& [name, tensor] : tensors) loaded[name] = load(tensor);
  return loaded;
}

TensorFile load(const LazyTensorFile& file) { return {load(file.tensors), file.metadata}; }

void write_safetensors(const std::filesystem::path& path, const TensorFile& file) {
  write_file(path, file, [](const HostTensor& tensor, const auto& sink) { sink(tensor.values); });
}

void write_safetensors(const std::filesystem::path& path, const LazyTensorFile& file) {
  write_file(path, file, [](const LazyTensor& tensor, const auto& sink) { tensor.values(sink); });
}

}  // namespace clade
