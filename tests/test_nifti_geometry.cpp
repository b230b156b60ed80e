// SPDX-License-Identifier: Apache-2.0
// Headers as scanners and converters write them: what each says about space must survive resampling and a round trip.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>

#include "io/axes.h"
#include "io/gzip_encoder.h"
#include "io/nifti.h"
#include "tests/support/errors.h"
#include "tests/support/temp_dir.h"
#include "tests/support/volumes.h"

using namespace clade;
using clade::test::centre_of_view;
using clade::test::contains;
using clade::test::distance;
using clade::test::error_of;
using clade::test::TempDir;

namespace {

// Where the NIfTI-1 standard puts its fields, and where the voxels of a plain file start.
constexpr std::size_t kDim = 40, kDatatype = 70, kBitpix = 72, kPixdim = 76, kVoxOffset = 108, kSlope = 112,
                      kInter = 116, kUnits = 123, kQformCode = 252, kSformCode = 254, kSrow = 280, kMagic = 344,
                      kExtender = 348, kVoxels = 352;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

template <class T>
void put(std::string& bytes, std::size_t offset, T value) {
  std::memcpy(bytes.data() + offset, &value, sizeof(T));
}

struct Warnings {
  std::vector<std::string> texts;
  Log log{[this](LogLevel level, std::string_view text) {
    if (level == LogLevel::warning) texts.emplace_back(text);
  }};

  bool mention(const std::string& part) const {
    return std::any_of(texts.begin(), texts.end(), [&](const std::string& text) { return contains(text, part); });
  }
};

// Thick slices, tilted as a head scan is: all axes oblique, at right angles.
Geometry oblique_geometry() {
  const double a = 0.3, b = -0.2;
  Geometry geometry = test::make_geometry({8, 7, 5}, {0.9, 0.8, 3.2});
  const double rotation[3][3] = {{std::cos(a), -std::sin(a) * std::cos(b), std::sin(a) * std::sin(b)},
                                 {std::sin(a), std::cos(a) * std::cos(b), -std::cos(a) * std::sin(b)},
                                 {0.0, std::sin(b), std::cos(b)}};
  for (std::size_t row = 0; row < 3; ++row)
    for (std::size_t column = 0; column < 3; ++column)
      geometry.affine[row][column] = rotation[row][column] * geometry.spacing[column];
  geometry.qform = geometry.sform = geometry.affine;
  return geometry;
}

// Slices that the table moved along z while the gantry was tilted: the third column leans against the second.
Geometry gantry_tilted_geometry(double degrees) {
  Geometry geometry = test::make_geometry({8, 7, 5}, {0.8, 0.8, 3.2});
  const double angle = degrees * std::numbers::pi / 180.0;
  geometry.affine[1][2] = geometry.spacing[2] * std::sin(angle);
  geometry.affine[2][2] = geometry.spacing[2] * std::cos(angle);
  geometry.sform = geometry.affine;
  geometry.qform_code = 0;
  geometry.qform = {};
  return geometry;
}

void check_near(const Affine& a, const Affine& b, double margin = 1e-5) {
  for (std::size_t row = 0; row < 3; ++row)
    for (std::size_t column = 0; column < 4; ++column) {
      INFO("row " << row << ", column " << column);
      CHECK(a[row][column] == Approx(b[row][column]).margin(margin));
    }
}

Volume round_trip(const TempDir& folder, const Volume& volume, const Log& log = {}) {
  write_nifti(folder / "trip.nii.gz", volume);
  return read_nifti(folder / "trip.nii.gz", log);
}

Volume resampled(const Volume& volume) {
  return test::random_volume(isotropic_grid(volume.geometry, select_axes(volume.geometry, {}, {})));
}

// A NIfTI-1 file of 4 x 3 x 2 voxels of int16, 1 to 24.
std::string plain_file(const TempDir& folder) {
  Volume volume;
  volume.geometry = test::make_geometry({4, 3, 2}, {0.5, 0.5, 3});
  for (int v = 1; v <= 24; ++v) volume.voxels.push_back(static_cast<float>(v));
  write_nifti(folder / "plain.nii", volume, VoxelType::int16);
  return test::read_bytes(folder / "plain.nii");
}

Volume parse(const TempDir& folder, const std::string& bytes, const Log& log = {}, NanVoxels nan = NanVoxels::refuse) {
  test::write_bytes(folder / "test.nii", bytes);
  return read_nifti(folder / "test.nii", log, nan);
}

std::string refusal(const TempDir& folder, const std::string& bytes, NanVoxels nan = NanVoxels::refuse) {
  return error_of(ErrorCode::input, [&] { parse(folder, bytes, {}, nan); });
}

// The same file with voxels of another type, and its header saying so.
template <class T>
std::string retyped(std::string bytes, std::int16_t code, const std::vector<T>& values) {
  bytes.resize(kVoxels + 24 * sizeof(T));
  put(bytes, kDatatype, code);
  put(bytes, kBitpix, static_cast<std::int16_t>(8 * sizeof(T)));
  for (std::size_t v = 0; v < 24; ++v) put(bytes, kVoxels + v * sizeof(T), v < values.size() ? values[v] : T{});
  return bytes;
}

}  // namespace

TEST_CASE("a tilted gantry stays tilted, and is mentioned", "[nifti][geometry]") {
  const TempDir folder;
  const double degrees = GENERATE(-25.0, 3.0, 20.0);
  const Volume volume = test::random_volume(gantry_tilted_geometry(degrees));
  Warnings warnings;
  const Volume back = round_trip(folder, volume, warnings.log);
  CHECK(back.voxels == volume.voxels);
  check_near(back.geometry.affine, volume.geometry.affine);
  CHECK(back.geometry.qform_code == 0);
  REQUIRE(warnings.texts.size() == 1);
  CHECK(contains(warnings.texts[0], str("axes j and k meet at ", 90 - degrees, " degrees")));

  const Volume fine = resampled(back);
  const Geometry again = round_trip(folder, fine).geometry;
  CHECK(distance(centre_of_view(again), centre_of_view(volume.geometry)) < 1e-4);
  CHECK(again.spacing[2] == Approx(0.8));
  for (std::size_t row = 0; row < 3; ++row)
    CHECK(again.affine[row][2] == Approx(volume.geometry.affine[row][2] / 4).margin(1e-6));
}

TEST_CASE("either form alone says where the volume is", "[nifti][geometry]") {
  const TempDir folder;
  const bool has_qform = GENERATE(true, false);
  Volume volume = test::random_volume(oblique_geometry());
  if (has_qform) {
    volume.geometry.sform_code = 0;
    volume.geometry.sform = {};
  } else {
    volume.geometry.qform_code = 0;
    volume.geometry.qform = {};
  }
  for (bool mirrored : {false, true}) {
    if (mirrored)
      for (Affine* affine : {&volume.geometry.affine, &volume.geometry.qform, &volume.geometry.sform})
        for (double& element : (*affine)[0]) element = -element;
    const Volume back = round_trip(folder, volume);
    CHECK(back.geometry.qform_code == (has_qform ? 1 : 0));
    CHECK(back.geometry.sform_code == (has_qform ? 0 : 1));
    check_near(back.geometry.affine, volume.geometry.affine);
    const Geometry again = round_trip(folder, resampled(back)).geometry;
    CHECK(again.qform_code == back.geometry.qform_code);
    CHECK(again.sform_code == back.geometry.sform_code);
    CHECK(distance(centre_of_view(again), centre_of_view(volume.geometry)) < 1e-4);
  }
}

TEST_CASE("forms that disagree are kept apart", "[nifti][geometry]") {
  const TempDir folder;
  Volume volume = test::random_volume(oblique_geometry());
  volume.geometry.sform = test::make_geometry({8, 7, 5}, {0.9, 0.8, 3.2}).sform;
  volume.geometry.affine = volume.geometry.sform;
  volume.geometry.sform_code = 4;
  Warnings warnings;
  const Volume back = round_trip(folder, volume, warnings.log);
  CHECK(warnings.mention("sform and qform disagree"));
  check_near(back.geometry.affine, volume.geometry.sform);
  check_near(back.geometry.qform, volume.geometry.qform);
  const Geometry again = round_trip(folder, resampled(back)).geometry;
  CHECK(distance(centre_of_view(again), centre_of_view(volume.geometry)) < 1e-4);
  // The centre by the qform stays as well.
  Geometry by_qform = volume.geometry, again_by_qform = again;
  by_qform.affine = volume.geometry.qform;
  again_by_qform.affine = again.qform;
  CHECK(distance(centre_of_view(again_by_qform), centre_of_view(by_qform)) < 1e-4);
}

TEST_CASE("a qform follows the spacing that the sform corrects", "[nifti][geometry]") {
  const TempDir folder;
  std::string bytes = plain_file(folder);
  put(bytes, kPixdim + 12, 1.0f);  // the sform says 3
  const Volume volume = parse(folder, bytes);
  CHECK(volume.geometry.spacing[2] == 3.0);
  check_near(volume.geometry.qform, volume.geometry.sform);
  const Geometry again = round_trip(folder, resampled(volume)).geometry;
  check_near(again.qform, again.sform);
  CHECK(distance(centre_of_view(again), centre_of_view(volume.geometry)) < 1e-4);
}

TEST_CASE("a volume without forms gets one where its origin moves", "[nifti][geometry]") {
  const TempDir folder;
  std::string bytes = plain_file(folder);
  put(bytes, kQformCode, std::int16_t{0});
  put(bytes, kSformCode, std::int16_t{-1});
  Warnings warnings;
  const Volume volume = parse(folder, bytes, warnings.log);
  CHECK(warnings.mention("neither sform nor qform"));
  CHECK(volume.geometry.affine == Affine{{{0.5, 0, 0, 0}, {0, 0.5, 0, 0}, {0, 0, 3, 0}}});
  const Geometry same = round_trip(folder, volume).geometry;
  CHECK(same.affine == volume.geometry.affine);
  CHECK(same.sform_code == 0);
  CHECK(same.qform_code == 0);
  const Geometry again = round_trip(folder, resampled(volume)).geometry;
  CHECK(again.sform_code == 1);
  CHECK(again.affine[2][3] == Approx(-1.25));
  CHECK(distance(centre_of_view(again), centre_of_view(volume.geometry)) < 1e-4);
}

TEST_CASE("metres and micrometres become millimetres, whole geometry and all", "[nifti][geometry]") {
  const TempDir folder;
  const auto [code, factor] = GENERATE(table<int, double>({{1, 1e3}, {3, 1e-3}, {0, 1.0}, {2 | 8, 1.0}}));
  std::string bytes = plain_file(folder);
  bytes[kUnits] = static_cast<char>(code);
  Warnings warnings;
  const Volume volume = parse(folder, bytes, warnings.log);
  CHECK(warnings.texts.empty());
  const Affine expected = {
      {{0.5 * factor, 0, 0, -20 * factor}, {0, 0.5 * factor, 0, 12.5 * factor}, {0, 0, 3 * factor, 7 * factor}}};
  const Geometry back = round_trip(folder, volume).geometry;
  check_near(back.affine, expected, 1e-6 * factor);
  check_near(back.qform, expected, 1e-6 * factor);
  CHECK(back.spacing[2] == Approx(3 * factor));
}

TEST_CASE("a unit that does not exist is mentioned", "[nifti][geometry]") {
  const TempDir folder;
  std::string bytes = plain_file(folder);
  bytes[kUnits] = 5;
  Warnings warnings;
  CHECK(parse(folder, bytes, warnings.log).geometry.spacing[2] == 3.0);
  CHECK(warnings.mention("unit of length (code 5)"));
}

TEST_CASE("lengths beyond anything that is scanned are refused", "[nifti][geometry]") {
  const TempDir folder;
  std::string bytes = plain_file(folder);
  put(bytes, kPixdim + 12, 1e-9f);
  CHECK(contains(refusal(folder, bytes), "pixdim[3] is 1e-09 mm"));
  put(bytes, kPixdim + 12, 1e8f);
  CHECK(contains(refusal(folder, bytes), "pixdim[3] is 1e+08 mm"));
  bytes = plain_file(folder);
  put(bytes, kSrow + 12, 1e12f);
  CHECK(contains(refusal(folder, bytes), "sform holds 1e+12"));
  bytes = plain_file(folder);
  put(bytes, kSrow, 1e-30f);
  CHECK(contains(refusal(folder, bytes), "the sform makes axis i one of 1e-30 mm a voxel"));
}

TEST_CASE("64-bit integers and doubles are read to the nearest float", "[nifti]") {
  const TempDir folder;
  const std::string plain = plain_file(folder);
  using Limits = std::numeric_limits<std::int64_t>;
  const Volume signed64 = parse(folder, retyped<std::int64_t>(plain, 1024, {Limits::min(), Limits::max(), -3}));
  CHECK(signed64.voxels[0] == -0x1p63f);
  CHECK(signed64.voxels[1] == 0x1p63f);
  CHECK(signed64.voxels[2] == -3.0f);
  const Volume unsigned64 =
      parse(folder, retyped<std::uint64_t>(plain, 1280, {std::numeric_limits<std::uint64_t>::max(), 7}));
  CHECK(unsigned64.voxels[0] == 0x1p64f);
  CHECK(unsigned64.voxels[1] == 7.0f);
  CHECK(parse(folder, retyped<double>(plain, 64, {0.1, -1e30})).voxels[1] == -1e30f);
  CHECK(contains(refusal(folder, retyped<double>(plain, 64, {1e300})), "voxel (0, 0, 0) is inf"));
  for (const Volume& volume : {signed64, unsigned64}) {
    write_nifti(folder / "same.nii", volume, volume.stored_type);
    CHECK(read_nifti(folder / "same.nii").voxels == volume.voxels);
  }
}

TEST_CASE("a slope that is not a number scales nothing, an infinite one is refused", "[nifti]") {
  const TempDir folder;
  std::string bytes = plain_file(folder);
  put(bytes, kInter, 5.0f);  // goes with the slope
  for (float slope : {0.0f, kNan}) {
    put(bytes, kSlope, slope);
    CHECK(parse(folder, bytes).voxels[0] == 1.0f);
  }
  put(bytes, kSlope, kInf);
  CHECK(contains(refusal(folder, bytes), "scl_slope is inf"));
}

TEST_CASE("NaN may be background", "[nifti]") {
  const TempDir folder;
  const std::string plain = plain_file(folder);
  std::vector<float> values(24, 10.0f);
  values[0] = kNan;
  values[1] = -kInf;
  values[5] = -1000.0f;
  const std::string padded = retyped<float>(plain, 16, values);
  CHECK(contains(refusal(folder, padded), "voxel (0, 0, 0) is nan; where that is padding, clade_train and clade_sr take --nan"));
  const Volume volume = parse(folder, padded, {}, NanVoxels::background);
  values[0] = values[1] = -1000.0f;
  CHECK(volume.voxels == values);
  values[7] = kInf;
  CHECK(contains(refusal(folder, retyped<float>(plain, 16, values), NanVoxels::background), "voxel (3, 1, 0) is inf"));
  values.assign(24, kNan);
  CHECK(contains(refusal(folder, retyped<float>(plain, 16, values), NanVoxels::background), "no voxel is a number"));
}

TEST_CASE("pairs of header and voxels are read by either name", "[nifti]") {
  const TempDir folder;
  const std::string plain = plain_file(folder);
  const Volume expected = read_nifti(folder / "plain.nii");
  std::string header = plain.substr(0, GENERATE(kVoxels, kExtender));
  header[kMagic + 1] = 'i';
  put(header, kVoxOffset, 0.0f);
  test::write_bytes(folder / "a.hdr", header);
  test::write_bytes(folder / "a.img", plain.substr(kVoxels));
  for (const char* name : {"a.hdr", "a.img"}) {
    const Volume volume = read_nifti(folder / name);
    CHECK(volume.voxels == expected.voxels);
    CHECK(volume.geometry.affine == expected.geometry.affine);
    CHECK(read_nifti_header(folder / name).geometry.size == expected.geometry.size);
  }
  put(header, kVoxOffset, 16.0f);
  test::write_bytes(folder / "a.hdr", header);
  CHECK(contains(error_of(ErrorCode::input, [&] { read_nifti(folder / "a.hdr"); }), "too short"));
  test::write_bytes(folder / "a.img", std::string(16, 'x') + plain.substr(kVoxels));
  CHECK(read_nifti(folder / "a.hdr").voxels == expected.voxels);

  std::filesystem::remove(folder / "a.img");
  CHECK(contains(error_of(ErrorCode::input, [&] { read_nifti(folder / "a.hdr"); }), "a.img: no such file"));
  test::write_bytes(folder / "a.hdr", plain);
  CHECK(contains(error_of(ErrorCode::input, [&] { read_nifti(folder / "a.hdr"); }), "name that ends in .nii"));
  put(header, kMagic, 0);
  test::write_bytes(folder / "a.hdr", header);
  CHECK(contains(error_of(ErrorCode::input, [&] { read_nifti(folder / "a.hdr"); }), "Analyze 7.5"));
}

TEST_CASE("names of pairs", "[nifti]") {
  const TempDir folder;
  for (const char* name : {"b.hdr.gz", "b.img.gz", "c.hdr", "c.img.gz"}) test::write_bytes(folder / name, "x");
  for (const char* name : {"b.hdr", "b.img", "b.hdr.gz", "b.img.gz"}) {
    CHECK(nifti_files(folder / name).header == folder / "b.hdr.gz");
    CHECK(nifti_files(folder / name).voxels == folder / "b.img.gz");
  }
  CHECK(nifti_files(folder / "c.hdr").voxels == folder / "c.img.gz");
  CHECK_FALSE(nifti_files(folder / "c.nii.gz").is_pair());
  CHECK(split_nifti_name("x/scan.v2.hdr.gz").stem == "scan.v2");
  CHECK(split_nifti_name("x/scan.v2.nii").ending == ".nii");
  CHECK(split_nifti_name("scan").ending.empty());
}

TEST_CASE("series, colours and complex numbers are refused by name", "[nifti]") {
  const TempDir folder;
  const std::string plain = plain_file(folder);
  std::string bytes = plain;
  put(bytes, kDim, std::int16_t{4});
  CHECK(parse(folder, bytes).voxels.size() == 24);  // one point in time
  put(bytes, kDim + 6, std::int16_t{1});
  put(bytes, kDim + 8, std::int16_t{2});
  CHECK(contains(refusal(folder, bytes), "dim[4] is 2; split the series"));
  const std::pair<int, const char*> types[] = {{1, "BINARY"},      {32, "COMPLEX64"},    {128, "RGB24"},
                                               {1536, "FLOAT128"}, {1792, "COMPLEX128"}, {2048, "COMPLEX256"},
                                               {2304, "RGBA32"}};
  for (const auto& [code, name] : types) {
    bytes = plain;
    put(bytes, kDatatype, static_cast<std::int16_t>(code));
    CHECK(contains(refusal(folder, bytes), str("voxel type ", name, " (code ", code, ") is not supported; convert")));
  }
}

TEST_CASE("what is not kept of a file is mentioned", "[nifti]") {
  const TempDir folder;
  std::string bytes = plain_file(folder);
  bytes[kExtender] = 1;
  put(bytes, kVoxOffset, 368.0f);
  bytes.insert(kVoxels, std::string("\x10\0\0\0\x06\0\0\0comment\0", 16));
  Warnings warnings;
  const Volume volume = parse(folder, bytes, warnings.log);
  CHECK(volume.voxels[0] == 1.0f);
  REQUIRE(warnings.texts.size() == 1);
  CHECK(contains(warnings.texts[0], "extensions of the header are not kept"));

  bytes = plain_file(folder) + "abc";
  CHECK(parse(folder, bytes, warnings.log).voxels.back() == 24.0f);
  CHECK(warnings.mention("3 bytes behind the voxels are ignored"));
}

TEST_CASE("what is compressed beyond belief is counted before memory is taken", "[nifti]") {
  const TempDir folder;
  Volume volume;
  volume.geometry = test::make_geometry({60, 60, 60}, {1, 1, 5});
  volume.voxels.assign(216000, 7.0f);
  write_nifti(folder / "even.nii.gz", volume);
  CHECK(std::filesystem::file_size(folder / "even.nii.gz") < 216000 * 4 / 64);
  CHECK(read_nifti(folder / "even.nii.gz").voxels == volume.voxels);
  // As far as its size goes, it could hold more.
  write_nifti(folder / "even.nii", volume);
  std::string bytes = test::read_bytes(folder / "even.nii");
  put(bytes, kDim + 2, std::int16_t{75});
  std::string packed;
  GzipEncoder encoder(nullptr,
                      [&](const void* part, std::size_t size) { packed.append(static_cast<const char*>(part), size); });
  encoder.write(bytes.data(), bytes.size());
  encoder.finish();
  test::write_bytes(folder / "bomb.nii.gz", packed);
  CHECK(contains(error_of(ErrorCode::input, [&] { read_nifti(folder / "bomb.nii.gz"); }), "the file is truncated"));
}
