// SPDX-License-Identifier: Apache-2.0
// A NIfTI file, or a pair of header and voxels; what can be read must survive resampling and a round trip.
// Last byte: bit 0 a pair, cut behind the header of version 1; bit 1 NaN is background.
#include <algorithm>
#include <cmath>

#include "fuzz/fuzzing.h"
#include "io/axes.h"
#include "io/nifti.h"

namespace {

using namespace clade;

constexpr std::size_t kPairHeader = 352;
constexpr std::int64_t kMostVoxels = 1 << 16;

double largest(const Affine& affine) {
  double result = 0.0;
  for (const auto& row : affine)
    for (double element : row) result = std::max(result, std::abs(element));
  return result;
}

// Files of version 1 hold floats.
void require_near(const Affine& a, const Affine& b, double tolerance, const char* promise) {
  const double margin = tolerance * std::max(largest(a), largest(b));
  for (std::size_t row = 0; row < 3; ++row)
    for (std::size_t column = 0; column < 4; ++column)
      fuzz::require(std::abs(a[row][column] - b[row][column]) <= margin, promise);
}

void check_round_trip(const Volume& volume) {
  const auto path = fuzz::folder() / "trip.nii";
  write_nifti(path, volume);
  const Volume back = read_nifti(path);
  fuzz::require(back.voxels == volume.voxels, "float32 voxels come back as they were");
  fuzz::require(back.geometry.size == volume.geometry.size, "the size comes back");
  // A rotation in floats is a square root of 1 - |b, c, d|^2: near half a turn it has half the digits.
  const bool by_sform = back.geometry.sform_code > 0;
  require_near(back.geometry.affine, volume.geometry.affine, by_sform ? 1e-6 : 2e-3, "the affine comes back");
}

void check(const Volume& volume) {
  const Geometry& geometry = volume.geometry;
  fuzz::require(std::int64_t(volume.voxels.size()) == geometry.voxel_count(), "all voxels are there");
  fuzz::require(std::all_of(volume.voxels.begin(), volume.voxels.end(), [](float v) { return std::isfinite(v); }),
                "voxels are finite");
  check_round_trip(volume);
  Volume fine;
  fuzz::accepted([&] { fine.geometry = isotropic_grid(geometry, select_axes(geometry, {}, {})); });
  if (fine.geometry.size[0] == 0 || fine.geometry.voxel_count() > kMostVoxels) return;
  fine.nifti_version = 2;  // any extent
  fine.voxels.assign(static_cast<std::size_t>(fine.geometry.voxel_count()), 1.0f);
  check_round_trip(fine);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view bytes = fuzz::text_of(data, size);
  const unsigned mode = fuzz::take_mode(bytes);
  std::filesystem::path path;
  if (mode & 1u) {
    path = fuzz::folder().write("pair.hdr", bytes.substr(0, kPairHeader));
    fuzz::folder().write("pair.img", bytes.substr(std::min(kPairHeader, bytes.size())));
  } else {
    path = fuzz::folder().write("single.nii", bytes);
  }
  const Log log(
      [](LogLevel, std::string_view text) { fuzz::require(text.find('\n') == text.npos, "warnings are one line"); });
  Volume header;
  const bool readable = fuzz::accepted([&] { header = read_nifti_header(path, log); });
  Volume volume;
  if (!fuzz::accepted([&] { volume = read_nifti(path, log, mode & 2u ? NanVoxels::background : NanVoxels::refuse); }))
    return 0;
  fuzz::require(readable, "what can be read has a header that can be read");
  fuzz::require(header.geometry.affine == volume.geometry.affine, "both see the same geometry");
  if (volume.geometry.voxel_count() <= kMostVoxels) check(volume);
  return 0;
}
