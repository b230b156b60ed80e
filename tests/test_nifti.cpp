// SPDX-License-Identifier: Apache-2.0
#include "io/nifti.h"

#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <utility>

#include "tests/support/errors.h"
#include "tests/support/temp_dir.h"
#include "tests/support/volumes.h"

using namespace clade;
using clade::test::contains;
using clade::test::error_of;
using clade::test::make_geometry;
using clade::test::TempDir;

namespace {

// Where the NIfTI-1 standard puts its fields.
constexpr std::size_t kDim = 40, kDatatype = 70, kPixdim = 76, kVoxOffset = 108, kSlope = 112, kInter = 116,
                      kUnits = 123, kQformCode = 252, kSformCode = 254, kQuaternB = 256, kQoffset = 268, kSrow = 280,
                      kMagic = 344, kVoxels = 352;

template <class T>
void put(std::string& bytes, std::size_t offset, T value) {
  std::memcpy(bytes.data() + offset, &value, sizeof(T));
}

template <class T>
T get(const std::string& bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

void put_dims(std::string& bytes, std::initializer_list<int> dims) {
  std::size_t offset = kDim;
  for (int dim : dims) put(bytes, std::exchange(offset, offset + 2), static_cast<std::int16_t>(dim));
}

// A valid NIfTI-1 file of 4 x 3 x 2 voxels of int16, 1 to 24.
std::string valid_file(const TempDir& folder) {
  Volume volume;
  volume.geometry = make_geometry({4, 3, 2}, {0.5, 0.75, 3});
  volume.description = "a scan";
  for (int v = 1; v <= 24; ++v) volume.voxels.push_back(static_cast<float>(v));
  write_nifti(folder / "valid.nii", volume, VoxelType::int16);
  return test::read_bytes(folder / "valid.nii");
}

Volume read_bytes_as_nifti(const TempDir& folder, const std::string& bytes, const Log& log = {}) {
  test::write_bytes(folder / "test.nii", bytes);
  return read_nifti(folder / "test.nii", log);
}

}  // namespace

TEST_CASE("a written file follows the standard byte by byte", "[nifti]") {
  const TempDir folder;
  const std::string bytes = valid_file(folder);
  REQUIRE(bytes.size() == kVoxels + 48);
  CHECK(get<std::int32_t>(bytes, 0) == 348);
  for (std::size_t d = 0; d < 8; ++d)
    CHECK(get<std::int16_t>(bytes, kDim + 2 * d) == (d > 3 ? 1 : 3 + (d == 1) - (d == 3)));
  CHECK(get<std::int16_t>(bytes, kDatatype) == 4);
  CHECK(get<std::int16_t>(bytes, kDatatype + 2) == 16);
  CHECK(get<float>(bytes, kPixdim) == 1.0f);
  CHECK(get<float>(bytes, kPixdim + 8) == 0.75f);
  CHECK(get<float>(bytes, kVoxOffset) == 352.0f);
  CHECK(get<float>(bytes, kSlope) == 1.0f);
  CHECK(get<float>(bytes, kInter) == 0.0f);
  CHECK(bytes[kUnits] == 2);
  CHECK(bytes.substr(148, 7) == std::string("a scan\0", 7));
  CHECK(get<std::int16_t>(bytes, kQformCode) == 1);
  CHECK(get<float>(bytes, kQuaternB) == 0.0f);
  CHECK(get<float>(bytes, kQoffset) == -20.0f);
  CHECK(get<float>(bytes, kSrow + 40) == 3.0f);
  CHECK(get<float>(bytes, kSrow + 44) == 7.0f);
  CHECK(bytes.substr(kMagic, 4) == std::string("n+1\0", 4));
  CHECK(get<std::int16_t>(bytes, kVoxels + 46) == 24);
}

TEST_CASE("volumes come back from files of both versions, compressed or not", "[nifti]") {
  const TempDir folder;
  const int version = GENERATE(1, 2);
  const std::string name = GENERATE("a.nii", "a.nii.gz");
  Volume volume = test::random_volume(make_geometry({64, 65, 66}, {0.5, 0.75, 3}));
  volume.nifti_version = version;
  volume.description = "text";
  volume.geometry.sform_code = 4;
  write_nifti(folder / name, volume);
  CHECK(folder.count() == 1);
  const std::string bytes = test::read_bytes(folder / name);
  CHECK((bytes.substr(0, 2) == "\x1f\x8b") == (name == "a.nii.gz"));
  for (const bool header_only : {false, true}) {
    const Volume back = header_only ? read_nifti_header(folder / name) : read_nifti(folder / name);
    CHECK(back.voxels == (header_only ? std::vector<float>{} : volume.voxels));
    CHECK(back.nifti_version == version);
    CHECK(back.description == "text");
    CHECK(back.stored_type == VoxelType::float32);
    CHECK(back.geometry.size == volume.geometry.size);
    CHECK(back.geometry.spacing == volume.geometry.spacing);  // all of them exact in floats
    CHECK(back.geometry.affine == volume.geometry.affine);
    CHECK(back.geometry.qform == volume.geometry.qform);
    CHECK(back.geometry.qform_code == 1);
    CHECK(back.geometry.sform_code == 4);
  }
}

TEST_CASE("every voxel type holds what it can and clamps the rest", "[nifti]") {
  struct Case {
    VoxelType type;
    double low, high;
  };
  const Case cases[] = {{VoxelType::int8, -128, 127},        {VoxelType::uint8, 0, 255},
                        {VoxelType::int16, -32768, 32767},   {VoxelType::uint16, 0, 65535},
                        {VoxelType::int32, -0x1p31, 0x1p31}, {VoxelType::uint32, 0, 0x1p32},
                        {VoxelType::int64, -0x1p63, 0x1p63}, {VoxelType::uint64, 0, 0x1p64}};
  const TempDir folder;
  for (const Case& entry : cases) {
    Volume volume;
    volume.geometry = make_geometry({3, 2, 1}, {1, 1, 5});
    volume.voxels = {-1e30f, 1e30f, 41.6f, 42.4f, 0.0f, 100.0f};
    write_nifti(folder / "a.nii", volume, entry.type);
    const Volume back = read_nifti(folder / "a.nii");
    CHECK(back.stored_type == entry.type);
    // As floats: 2^31 - 1 and its like round up.
    CHECK(back.voxels == std::vector<float>{float(entry.low), float(entry.high), 42, 42, 0, 100});
  }
  Volume volume;
  volume.geometry = make_geometry({2, 1, 1}, {1, 1, 5});
  volume.voxels = {-1.25e-20f, 41.6f};
  write_nifti(folder / "a.nii", volume, VoxelType::float64);
  CHECK(read_nifti(folder / "a.nii").voxels == volume.voxels);
}

TEST_CASE("slope and intercept are applied, and kept for the same type", "[nifti]") {
  const TempDir folder;
  std::string bytes = valid_file(folder);
  put(bytes, kSlope, 0.5f);
  put(bytes, kInter, -100.0f);
  const Volume volume = read_bytes_as_nifti(folder, bytes);
  CHECK(volume.voxels.front() == -99.5f);
  CHECK(volume.voxels.back() == -88.0f);
  CHECK(volume.slope == 0.5);
  write_nifti(folder / "same.nii", volume, VoxelType::int16);
  CHECK(test::read_bytes(folder / "same.nii") == bytes);
  write_nifti(folder / "other.nii", volume, VoxelType::int32);
  CHECK(get<float>(test::read_bytes(folder / "other.nii"), kSlope) == 1.0f);
  CHECK(get<std::int32_t>(test::read_bytes(folder / "other.nii"), kVoxels + 4) == -99);

  for (float unset : {0.0f, std::numeric_limits<float>::quiet_NaN()}) {
    put(bytes, kSlope, unset);
    CHECK(read_bytes_as_nifti(folder, bytes).voxels.front() == 1.0f);
  }
}

TEST_CASE("files of the other byte order are read", "[nifti]") {
  const TempDir folder;
  const std::string bytes = valid_file(folder);
  std::string swapped = bytes;
  const auto swap = [&](std::size_t offset, std::size_t size, std::size_t count) {
    for (std::size_t n = 0; n < count; ++n, offset += size)
      std::reverse(swapped.begin() + std::ptrdiff_t(offset), swapped.begin() + std::ptrdiff_t(offset + size));
  };
  swap(0, 4, 1);
  swap(kDim, 2, 8);
  swap(kDatatype, 2, 2);
  swap(kPixdim, 4, 11);  // up to scl_inter
  swap(kQformCode, 2, 2);
  swap(kQuaternB, 4, 18);  // up to srow_z
  swap(kVoxels, 2, 24);
  const Volume expected = read_bytes_as_nifti(folder, bytes);
  const Volume volume = read_bytes_as_nifti(folder, swapped);
  CHECK(volume.voxels == expected.voxels);
  CHECK(volume.geometry.affine == expected.geometry.affine);
  CHECK(volume.geometry.spacing == expected.geometry.spacing);
}

TEST_CASE("lengths are turned into millimetres", "[nifti]") {
  const TempDir folder;
  std::string bytes = valid_file(folder);
  bytes[kUnits] = 1 | 8;  // metres and seconds
  const Volume metres = read_bytes_as_nifti(folder, bytes);
  CHECK(metres.geometry.spacing[2] == 3000.0);
  CHECK(metres.geometry.sform[0][3] == -20000.0);
  CHECK(metres.geometry.qform[2][3] == 7000.0);
  write_nifti(folder / "mm.nii", metres);
  CHECK(read_nifti(folder / "mm.nii").geometry.spacing[2] == 3000.0);
  bytes[kUnits] = 3;
  CHECK(read_bytes_as_nifti(folder, bytes).geometry.spacing[2] == Approx(0.003));
  bytes[kUnits] = 0;
  CHECK(read_bytes_as_nifti(folder, bytes).geometry.spacing[2] == 3.0);
}

TEST_CASE("the sform goes before the qform, and that before the spacing", "[nifti]") {
  const TempDir folder;
  std::string bytes = valid_file(folder);
  std::vector<std::string> warnings;
  const Log log([&](LogLevel level, std::string_view text) {
    CHECK(static_cast<int>(level) == static_cast<int>(LogLevel::warning));
    warnings.emplace_back(text);
  });
  read_bytes_as_nifti(folder, bytes, log);
  CHECK(warnings.empty());
  put(bytes, kQoffset, -19.9f);
  CHECK(read_bytes_as_nifti(folder, bytes, log).geometry.affine[0][3] == -20.0);
  REQUIRE(warnings.size() == 1);
  CHECK(contains(warnings[0], "test.nii: sform and qform disagree"));
  put(bytes, kSformCode, std::int16_t{0});
  CHECK(read_bytes_as_nifti(folder, bytes, log).geometry.affine[0][3] == Approx(-19.9));
  put(bytes, kQformCode, std::int16_t{0});
  const Geometry bare = read_bytes_as_nifti(folder, bytes, log).geometry;
  CHECK(bare.affine == Affine{{{0.5, 0, 0, 0}, {0, 0.75, 0, 0}, {0, 0, 3, 0}}});
  REQUIRE(warnings.size() == 2);
  CHECK(contains(warnings[1], "neither sform nor qform"));
}

TEST_CASE("a spacing that contradicts the affine gives way to it", "[nifti]") {
  const TempDir folder;
  std::string bytes = valid_file(folder);
  put(bytes, kQformCode, std::int16_t{0});
  put(bytes, kPixdim + 12, 3.02f);  // within 1 %
  int warnings = 0;
  const Log log([&](LogLevel, std::string_view) { ++warnings; });
  CHECK(read_bytes_as_nifti(folder, bytes, log).geometry.spacing[2] == Approx(3.02));
  CHECK(warnings == 0);
  put(bytes, kPixdim + 12, 1.0f);
  CHECK(read_bytes_as_nifti(folder, bytes, log).geometry.spacing[2] == 3.0);
  CHECK(warnings == 1);
}

TEST_CASE("extents of 1 may follow, and the voxels may stand further on", "[nifti]") {
  const TempDir folder;
  std::string bytes = valid_file(folder);
  put_dims(bytes, {5, 4, 3, 2, 1, 1});
  put(bytes, kVoxOffset, 360.0f);
  bytes.insert(kVoxels, 8, '\x55');
  CHECK(read_bytes_as_nifti(folder, bytes).voxels[0] == 1.0f);
  bytes = valid_file(folder);
  put(bytes, kVoxOffset, 0.0f);
  CHECK(read_bytes_as_nifti(folder, bytes).voxels[0] == 1.0f);
}

TEST_CASE("hostile headers are refused with path and cause", "[nifti]") {
  const TempDir folder;
  const std::string valid = valid_file(folder);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  using Change = std::function<void(std::string&)>;
  const std::pair<const char*, Change> cases[] = {
      {"empty", [](auto& b) { b.clear(); }},
      {"truncated", [](auto& b) { b.resize(3); }},
      {"truncated", [](auto& b) { b.resize(200); }},
      {"truncated", [](auto& b) { b.resize(kVoxels); }},
      {"truncated", [](auto& b) { b.pop_back(); }},
      {"not a NIfTI file", [](auto& b) { b = "Lorem ipsum dolor sit amet, consectetur adipiscing elit"; }},
      {"not a NIfTI file", [](auto& b) { b[kMagic] = 'x'; }},
      {"voxels are in another file", [](auto& b) { b[kMagic + 1] = 'i'; }},
      {"2 dimensions",
       [](auto& b) {
         put_dims(b, {2, 4, 3});
       }},
      {"dim[0] is 0", [](auto& b) { put_dims(b, {0}); }},
      {"dim[0] is 8", [](auto& b) { put_dims(b, {8}); }},
      {"dim[4] is 2",
       [](auto& b) {
         put_dims(b, {4, 4, 3, 1, 2});
       }},
      {"dim[4] is 0",
       [](auto& b) {
         put_dims(b, {4, 4, 3, 2, 0});
       }},
      {"dim[2] is 0",
       [](auto& b) {
         put_dims(b, {3, 4, 0, 2});
       }},
      {"dim[1] is -4",
       [](auto& b) {
         put_dims(b, {3, -4, 3, 2});
       }},
      {"32767 x 32767 x 32767",
       [](auto& b) {
         put_dims(b, {3, 32767, 32767, 32767});
       }},
      {"RGB24", [](auto& b) { put<std::int16_t>(b, kDatatype, 128); }},
      {"COMPLEX64", [](auto& b) { put<std::int16_t>(b, kDatatype, 32); }},
      {"code 77", [](auto& b) { put<std::int16_t>(b, kDatatype, 77); }},
      {"pixdim[3] is 0", [](auto& b) { put(b, kPixdim + 12, 0.0f); }},
      {"pixdim[1] is -0.5", [](auto& b) { put(b, kPixdim + 4, -0.5f); }},
      {"pixdim[2] is nan", [=](auto& b) { put(b, kPixdim + 8, nan); }},
      {"pixdim[2] is inf", [=](auto& b) { put(b, kPixdim + 8, inf); }},
      {"sform holds nan", [=](auto& b) { put(b, kSrow + 4, nan); }},
      {"sform holds inf", [=](auto& b) { put(b, kSrow + 12, inf); }},
      {"sform is singular", [](auto& b) { b.replace(kSrow, 48, 48, '\0'); }},
      {"sform is singular", [](auto& b) { std::copy_n(b.begin() + kSrow, 16, b.begin() + kSrow + 16); }},
      {"qform holds nan", [=](auto& b) { put(b, kQuaternB, nan); }},
      {"qform holds inf", [=](auto& b) { put(b, kQoffset, inf); }},
      {"scl_inter is nan", [=](auto& b) { put(b, kInter, nan); }},
      {"voxel offset", [](auto& b) { put(b, kVoxOffset, 100.0f); }},
      {"voxel offset", [](auto& b) { put(b, kVoxOffset, -352.0f); }},
      {"voxel offset", [=](auto& b) { put(b, kVoxOffset, nan); }},
      {"voxel offset", [=](auto& b) { put(b, kVoxOffset, 1e30f); }},
      {"truncated", [](auto& b) { put(b, kVoxOffset, 1e9f); }},
  };
  const auto path = folder / "bad.nii";
  for (const auto& [cause, change] : cases) {
    std::string bytes = valid;
    change(bytes);
    test::write_bytes(path, bytes);
    INFO(cause);
    for (const std::string& message : {error_of(ErrorCode::input, [&] { read_nifti(path); }),
                                       error_of(ErrorCode::input, [&] { read_nifti_header(path); })}) {
      INFO(message);
      CHECK(message.starts_with(path.string() + ": "));
      CHECK(contains(message, cause));
      CHECK_FALSE(contains(message, "\n"));
    }
  }
}

TEST_CASE("voxels that are not finite are refused with their place", "[nifti]") {
  const TempDir folder;
  Volume volume = test::random_volume(make_geometry({4, 3, 2}, {1, 1, 5}));
  volume.voxels[4 * 3 + 4 * 2 + 1] = std::numeric_limits<float>::quiet_NaN();
  write_nifti(folder / "a.nii", volume);
  CHECK(contains(error_of(ErrorCode::input, [&] { read_nifti(folder / "a.nii"); }), "voxel (1, 2, 1) is nan; where that"));
  CHECK_NOTHROW(read_nifti_header(folder / "a.nii"));
  std::string bytes = valid_file(folder);
  put(bytes, kSlope, 3e38f);  // finite, but 24 times that is not
  CHECK(contains(error_of(ErrorCode::input, [&] { read_bytes_as_nifti(folder, bytes); }), "is inf"));
}

TEST_CASE("damaged gzip files are refused", "[nifti]") {
  const TempDir folder;
  const auto path = folder / "a.nii.gz";
  write_nifti(path, test::random_volume(make_geometry({40, 30, 20}, {1, 1, 5})));
  const std::string bytes = test::read_bytes(path);
  for (std::size_t size :
       {std::size_t{1}, std::size_t{5}, std::size_t{40}, bytes.size() / 2, bytes.size() - 9, bytes.size() - 1}) {
    test::write_bytes(path, bytes.substr(0, size));
    INFO(size << " of " << bytes.size());
    CHECK(error_of(ErrorCode::input, [&] { read_nifti(path); }).starts_with(path.string() + ": "));
  }
  std::string flipped = bytes;
  flipped[bytes.size() - 6] ^= 1;  // the checksum
  test::write_bytes(path, flipped);
  CHECK(contains(error_of(ErrorCode::input, [&] { read_nifti(path); }), "damaged"));
}

TEST_CASE("paths that are no files", "[nifti]") {
  const TempDir folder;
  CHECK(contains(error_of(ErrorCode::input, [&] { read_nifti(folder / "none.nii"); }), "no such file"));
  CHECK(contains(error_of(ErrorCode::input, [&] { read_nifti(folder.path()); }), "not a regular file"));
}

TEST_CASE("paths that cannot be written", "[nifti]") {
  const TempDir folder;
  const Volume volume = test::random_volume(make_geometry({4, 3, 2}, {1, 1, 5}));
  CHECK(contains(error_of(ErrorCode::output, [&] { write_nifti(folder / "a.img", volume); }), "a.img"));
  const std::string message = error_of(ErrorCode::output, [&] { write_nifti(folder / "none/a.nii", volume); });
  CHECK(contains(message, (folder / "none/a.nii").string()));
  test::write_bytes(folder / "file", "");
  error_of(ErrorCode::output, [&] { write_nifti(folder / "file/a.nii.gz", volume); });
  CHECK(folder.count() == 1);
  Volume wide = volume;
  wide.geometry.size = {40000, 1, 1};
  wide.voxels.assign(40000, 0.0f);
  CHECK(contains(error_of(ErrorCode::output, [&] { write_nifti(folder / "a.nii", wide); }), "40000"));
  wide.nifti_version = 2;
  CHECK_NOTHROW(write_nifti(folder / "a.nii", wide));
}

TEST_CASE("a full disk is an error and leaves the old file", "[nifti]") {
  const TempDir folder;
  const std::string name = GENERATE("a.nii", "a.nii.gz");
  test::write_bytes(folder / name, "old");
  const Volume volume = test::random_volume(make_geometry({64, 64, 64}, {1, 1, 5}));
  // A limit on the size of files fails a write in the same way.
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{100000, before.rlim_max};
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string message = error_of(ErrorCode::output, [&] { write_nifti(folder / name, volume); });
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);
  CHECK(contains(message, (folder / name).string()));
  CHECK(test::read_bytes(folder / name) == "old");
  CHECK(folder.count() == 1);
}

TEST_CASE("names of NIfTI files", "[nifti]") {
  for (const char* name : {"a.nii", "b/a.nii.gz", "a.b.nii"}) CHECK(has_nifti_extension(name));
  for (const char* name : {"a", "nii", "a.nii.bz2", "a.gz", "a.nii/b", "a.hdr"}) CHECK_FALSE(has_nifti_extension(name));
}

TEST_CASE("a clinical scan is read as its scanner meant it", "[nifti]") {
  const char* data = std::getenv("CLADE_TEST_DATA");
  if (!data) {
    WARN("CLADE_TEST_DATA is not set: no clinical scan is read");
    return;
  }
  std::vector<std::string> warnings;
  const Log log([&](LogLevel, std::string_view text) { warnings.emplace_back(text); });
  const Volume volume = read_nifti(std::filesystem::path(data) / "mr_brain_aniso_01.nii.gz", log);
  CHECK(warnings.empty());
  CHECK(volume.geometry.size == std::array<int, 3>{320, 320, 36});
  CHECK(volume.geometry.spacing[0] == Approx(0.719).margin(5e-4));
  CHECK(volume.geometry.spacing[1] == Approx(0.719).margin(5e-4));
  CHECK(volume.geometry.spacing[2] == Approx(4.0).margin(5e-4));
  CHECK(volume.stored_type == VoxelType::int16);
  const auto [least, greatest] = std::minmax_element(volume.voxels.begin(), volume.voxels.end());
  CHECK(*least == 0.0f);
  CHECK(*greatest == 658.0f);
  // LPS: i runs to the left, j to the back, k upwards.
  CHECK(volume.geometry.affine[0][0] < -0.7);
  CHECK(volume.geometry.affine[1][1] < -0.7);
  CHECK(volume.geometry.affine[2][2] > 3.9);
}
