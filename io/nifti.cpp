// SPDX-License-Identifier: Apache-2.0
// nifticlib gives the header structs, byte swapping and quaternions. Its own reader is not used: it takes memory
// before it checks sizes and silently replaces NaN voxels; its writer does not report a full disk.
#include "io/nifti.h"

#include <nifti2_io.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <numbers>

#include "core/atomic_file.h"
#include "io/affine.h"
#include "io/byte_file.h"
#include "io/nifti_files.h"
#include "io/voxel_codec.h"

namespace clade {

namespace {

constexpr std::int32_t kSize1 = 348;
constexpr std::int32_t kSize2 = 540;
constexpr std::size_t kExtender = 4;  // no extensions follow
constexpr char kMagic1[4] = {'n', '+', '1', '\0'};
constexpr char kMagic2[8] = {'n', '+', '2', '\0', '\r', '\n', '\032', '\n'};
// In the header of a pair of files, 'i' stands for '+'.
constexpr std::size_t kMagicKind = 1;
constexpr std::size_t kChunkVoxels = std::size_t{1} << 18;

// Elements of sform and qform may differ by this share of the spacing.
constexpr double kFormTolerance = 0.01;
// A file that claims to be compressed better than this is inflated once to see, before memory is taken for it.
constexpr std::uint64_t kPlausibleInflation = 64;

struct TypeCode {
  VoxelType type;
  std::int16_t code;
};
constexpr TypeCode kTypes[] = {
    {VoxelType::int8, DT_INT8},       {VoxelType::uint8, DT_UINT8},   {VoxelType::int16, DT_INT16},
    {VoxelType::uint16, DT_UINT16},   {VoxelType::int32, DT_INT32},   {VoxelType::uint32, DT_UINT32},
    {VoxelType::int64, DT_INT64},     {VoxelType::uint64, DT_UINT64}, {VoxelType::float32, DT_FLOAT32},
    {VoxelType::float64, DT_FLOAT64},
};

// A header in the wider of the two layouts and in the byte order of this processor.
struct Header {
  nifti_2_header fields{};
  int version = 1;
  bool swapped = false;
  bool pair = false;  // the voxels are in a file of their own
};

template <class To, class From, std::size_t Size>
void copy_array(const From (&from)[Size], To (&to)[Size]) {
  for (std::size_t i = 0; i < Size; ++i) to[i] = static_cast<To>(from[i]);
}

// The fields we use, in either direction. vox_offset is left out: a float in one layout, an integer in the other.
template <class From, class To>
void copy_fields(const From& from, To& to) {
  using Code = decltype(to.qform_code);
  using Real = decltype(to.scl_slope);
  to.datatype = from.datatype;
  to.bitpix = from.bitpix;
  copy_array(from.dim, to.dim);
  copy_array(from.pixdim, to.pixdim);
  to.scl_slope = static_cast<Real>(from.scl_slope);
  to.scl_inter = static_cast<Real>(from.scl_inter);
  copy_array(from.descrip, to.descrip);
  to.qform_code = static_cast<Code>(from.qform_code);
  to.sform_code = static_cast<Code>(from.sform_code);
  to.quatern_b = static_cast<Real>(from.quatern_b);
  to.quatern_c = static_cast<Real>(from.quatern_c);
  to.quatern_d = static_cast<Real>(from.quatern_d);
  to.qoffset_x = static_cast<Real>(from.qoffset_x);
  to.qoffset_y = static_cast<Real>(from.qoffset_y);
  to.qoffset_z = static_cast<Real>(from.qoffset_z);
  copy_array(from.srow_x, to.srow_x);
  copy_array(from.srow_y, to.srow_y);
  copy_array(from.srow_z, to.srow_z);
  to.xyzt_units = static_cast<decltype(to.xyzt_units)>(static_cast<unsigned char>(from.xyzt_units));
}

// The rest of a header whose first word has been read.
template <class Layout>
Layout read_layout(ByteReader& reader, std::int32_t first_word) {
  Layout layout{};
  std::memcpy(&layout, &first_word, sizeof(first_word));
  reader.read(reinterpret_cast<char*>(&layout) + sizeof(first_word), sizeof(layout) - sizeof(first_word));
  return layout;
}

// True for the header of a pair of files.
bool check_magic(const char* magic, const char* expected, std::size_t size) {
  CLADE_CHECK(magic[0] == expected[0] && std::memcmp(magic + 2, expected + 2, size - 2) == 0 &&
                  (magic[kMagicKind] == '+' || magic[kMagicKind] == 'i'),
              ErrorCode::input, "not a NIfTI file (an Analyze 7.5 file does not say how it lies in space: convert it)");
  return magic[kMagicKind] == 'i';
}

Header read_header(ByteReader& reader) {
  std::int32_t size = 0;
  reader.read(&size, sizeof(size));
  std::int32_t native_size = size;
  Header header;
  if (size != kSize1 && size != kSize2) {
    nifti_swap_Nbytes(1, sizeof(native_size), &native_size);
    header.swapped = true;
  }
  CLADE_CHECK(native_size == kSize1 || native_size == kSize2, ErrorCode::input, "not a NIfTI file");
  if (native_size == kSize1) {
    auto layout = read_layout<nifti_1_header>(reader, size);
    header.pair = check_magic(layout.magic, kMagic1, sizeof(kMagic1));
    if (header.swapped) nifti_swap_as_nifti1(&layout);
    // 2^53: beyond it a float holds no exact offset, and no file reaches it.
    CLADE_CHECK(layout.vox_offset >= 0.0f && layout.vox_offset < 0x1p53f, ErrorCode::input, "voxel offset is ",
                layout.vox_offset);
    copy_fields(layout, header.fields);
    header.fields.vox_offset = static_cast<std::int64_t>(layout.vox_offset);
  } else {
    header.fields = read_layout<nifti_2_header>(reader, size);
    header.pair = check_magic(header.fields.magic, kMagic2, sizeof(kMagic2));
    if (header.swapped) nifti_swap_as_nifti2(&header.fields);
    header.version = 2;
  }
  return header;
}

VoxelType voxel_type(const nifti_2_header& fields) {
  for (const TypeCode& entry : kTypes)
    if (entry.code == fields.datatype) return entry.type;
  fail(ErrorCode::input, "voxel type ", nifti_datatype_string(fields.datatype), " (code ", fields.datatype,
       ") is not supported; convert it to a scalar one, int8 to float64");
}

std::array<int, 3> grid_size(const nifti_2_header& fields) {
  const std::int64_t rank = fields.dim[0];
  CLADE_CHECK(rank >= 1 && rank <= 7, ErrorCode::input, "dim[0] is ", rank, ", expected 3");
  CLADE_CHECK(rank >= 3, ErrorCode::input, "the image has ", rank, " dimensions, expected 3");
  for (std::int64_t d = 4; d <= rank; ++d)
    CLADE_CHECK(fields.dim[d] == 1, ErrorCode::input, "not a single volume: dim[", d, "] is ", fields.dim[d],
                fields.dim[d] > 1 ? "; split the series into files of one volume" : "");
  std::array<int, 3> size{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const std::int64_t extent = fields.dim[axis + 1];
    CLADE_CHECK(extent >= 1 && extent <= std::numeric_limits<int>::max(), ErrorCode::input, "dim[", axis + 1, "] is ",
                extent);
    size[axis] = static_cast<int>(extent);
  }
  return size;
}

double millimetres_per_unit(int xyzt_units, const std::string& name, const Log& log) {
  const int unit = XYZT_TO_SPACE(xyzt_units);
  switch (unit) {
    case NIFTI_UNITS_METER:
      return 1e3;
    case NIFTI_UNITS_MICRON:
      return 1e-3;
    case NIFTI_UNITS_MM:
    case NIFTI_UNITS_UNKNOWN:
      return 1.0;
    default:
      log.warning(name, ": unknown unit of length (code ", unit, "), taken for millimetres");
      return 1.0;
  }
}

Affine read_qform(const nifti_2_header& f, const std::array<double, 3>& spacing, double unit) {
  const nifti_dmat44 m =
      nifti_quatern_to_dmat44(f.quatern_b, f.quatern_c, f.quatern_d, f.qoffset_x * unit, f.qoffset_y * unit,
                              f.qoffset_z * unit, spacing[0], spacing[1], spacing[2], f.pixdim[0] < 0.0 ? -1.0 : 1.0);
  Affine affine{};
  for (std::size_t row = 0; row < 3; ++row) std::copy_n(m.m[row], 4, affine[row].begin());
  return affine;
}

Affine read_sform(const nifti_2_header& f, double unit) {
  Affine affine{};
  std::copy_n(f.srow_x, 4, affine[0].begin());
  std::copy_n(f.srow_y, 4, affine[1].begin());
  std::copy_n(f.srow_z, 4, affine[2].begin());
  for (auto& row : affine)
    for (double& element : row) element *= unit;
  return affine;
}

double largest_difference(const Affine& a, const Affine& b) {
  double largest = 0.0;
  for (std::size_t row = 0; row < 3; ++row)
    for (std::size_t column = 0; column < 4; ++column)
      largest = std::max(largest, std::abs(a[row][column] - b[row][column]));
  return largest;
}

// Along such axes the volume is interpolated as it was scanned: nothing is lost, but patches show the slant.
void warn_of_slant(const Affine& a, const std::string& name, const Log& log) {
  for (std::size_t first = 0; first < 3; ++first)
    for (std::size_t second = first + 1; second < 3; ++second) {
      const double cosine = axis_cosine(a, first, second);
      if (std::abs(cosine) <= kSlanted) continue;
      log.warning(name, ": axes ", "ijk"[first], " and ", "ijk"[second], " meet at ",
                  std::round(std::acos(cosine) * 1800.0 / std::numbers::pi) / 10.0,
                  " degrees (a tilted gantry?); the result is slanted like the input");
    }
}

std::array<double, 3> read_spacing(const nifti_2_header& fields, double unit) {
  std::array<double, 3> spacing{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    spacing[axis] = fields.pixdim[axis + 1] * unit;
    CLADE_CHECK(spacing[axis] >= kFinestSpacing && spacing[axis] <= kCoarsestSpacing, ErrorCode::input,
                "spacing pixdim[", axis + 1, "] is ", fields.pixdim[axis + 1],
                unit == 1.0  ? " mm"
                : unit > 1.0 ? " m"
                             : " micrometres",
                "; correct the header");
  }
  return spacing;
}

Geometry read_geometry(const nifti_2_header& fields, const std::string& name, const Log& log) {
  Geometry geometry;
  geometry.size = grid_size(fields);
  const double unit = millimetres_per_unit(fields.xyzt_units, name, log);
  geometry.spacing = read_spacing(fields, unit);
  geometry.qform_code = std::max(fields.qform_code, 0);
  geometry.sform_code = std::max(fields.sform_code, 0);
  if (geometry.sform_code > 0) {
    geometry.sform = read_sform(fields, unit);
    check_affine(geometry.sform, "sform");
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const double length = column_length(geometry.sform, axis);
      CLADE_CHECK(length >= kFinestSpacing && length <= kCoarsestSpacing, ErrorCode::input, "the sform makes axis ",
                  "ijk"[axis], " one of ", length, " mm a voxel; correct the header");
      if (std::abs(length - geometry.spacing[axis]) <= kSpacingTolerance * geometry.spacing[axis]) continue;
      log.warning(name, ": spacing ", geometry.spacing[axis], " mm of axis ", "ijk"[axis], " is ", length,
                  " mm by the sform; using the sform");
      geometry.spacing[axis] = length;
    }
  }
  if (geometry.qform_code > 0) {
    // It has no lengths of its own: those of the file's spacing, or what has just taken their place.
    geometry.qform = read_qform(fields, geometry.spacing, unit);
    check_affine(geometry.qform, "qform");
  }
  if (geometry.qform_code > 0 && geometry.sform_code > 0) {
    const double finest = *std::min_element(geometry.spacing.begin(), geometry.spacing.end());
    if (largest_difference(geometry.qform, geometry.sform) > kFormTolerance * finest)
      log.warning(name, ": sform and qform disagree; using the sform");
  }
  if (geometry.qform_code == 0 && geometry.sform_code == 0)
    log.warning(name, ": neither sform nor qform; the voxel axes are taken to run to the right, to the front and up");
  geometry.affine = geometry.sform_code > 0   ? geometry.sform
                    : geometry.qform_code > 0 ? geometry.qform
                                              : scaling(geometry.spacing);
  warn_of_slant(geometry.affine, name, log);
  return geometry;
}

// Everything but the voxels, and where they are.
struct Source {
  Volume volume;
  std::filesystem::path file;          // that holds the voxels
  std::unique_ptr<ByteReader> reader;  // of that file, `gap` bytes before them
  std::uint64_t gap = 0;
  std::uint64_t end = 0;  // of the voxels, in bytes from the start of the file
  bool swapped = false;
};

void read_scaling(const nifti_2_header& fields, Volume& volume) {
  // A slope of 0 means "not scaled"; some writers say so with NaN.
  if (std::isnan(fields.scl_slope) || fields.scl_slope == 0.0) return;
  CLADE_CHECK(std::isfinite(fields.scl_slope), ErrorCode::input, "scl_slope is ", fields.scl_slope);
  CLADE_CHECK(std::isfinite(fields.scl_inter), ErrorCode::input, "scl_inter is ", fields.scl_inter);
  volume.slope = fields.scl_slope;
  volume.intercept = fields.scl_inter;
}

// Reads the four bytes behind the header that say whether extensions follow; true if they could be read.
bool skip_extender(ByteReader& reader, const std::string& name, const Log& log) {
  char extender[kExtender] = {};
  if (reader.read_some(extender, kExtender) < kExtender) return false;
  if (extender[0] != 0) log.warning(name, ": extensions of the header are not kept");
  return true;
}

// Divides, as the product of hostile extents may not fit any integer.
bool fits(const Geometry& geometry, VoxelType type, std::uint64_t offset, std::uint64_t limit) {
  if (offset > limit) return false;
  std::uint64_t room = (limit - offset) / voxel_bytes(type);
  for (int extent : geometry.size) room /= static_cast<std::uint64_t>(extent);
  return room >= 1;
}

Source open_source(const std::filesystem::path& path, const Log& log) {
  const std::string name = path.string();
  const NiftiFiles files = nifti_files(path);
  Source source;
  source.file = files.header;
  source.reader = std::make_unique<ByteReader>(files.header);
  const Header header = read_header(*source.reader);
  const nifti_2_header& fields = header.fields;
  CLADE_CHECK(!header.pair || files.is_pair(), ErrorCode::input,
              "its voxels are in another file; give the two names that end in .hdr and .img");
  CLADE_CHECK(header.pair || !files.is_pair(), ErrorCode::input,
              "its header says that the voxels follow in the same file; give it a name that ends in .nii");
  source.swapped = header.swapped;
  Volume& volume = source.volume;
  volume.nifti_version = header.version;
  volume.geometry = read_geometry(fields, name, log);
  volume.stored_type = voxel_type(fields);
  volume.description.assign(fields.descrip, strnlen(fields.descrip, sizeof(fields.descrip)));
  read_scaling(fields, volume);

  auto position = static_cast<std::uint64_t>(header.version == 1 ? kSize1 : kSize2);
  // Some writers leave the offset at 0.
  const std::int64_t implied = header.pair ? 0 : static_cast<std::int64_t>(position + kExtender);
  const std::int64_t offset = fields.vox_offset == 0 ? implied : fields.vox_offset;
  const std::int64_t least = header.pair ? 0 : static_cast<std::int64_t>(position);
  CLADE_CHECK(offset >= least, ErrorCode::input, "voxel offset ", offset, " lies inside the header");
  const auto start = static_cast<std::uint64_t>(offset);
  if ((header.pair || start >= position + kExtender) && skip_extender(*source.reader, name, log)) position += kExtender;
  if (header.pair) {
    source.file = files.voxels;
    source.reader =
        with_context(files.voxels.filename().string(), [&] { return std::make_unique<ByteReader>(files.voxels); });
    position = 0;
  }
  const auto& size = volume.geometry.size;
  CLADE_CHECK(fits(volume.geometry, volume.stored_type, start, source.reader->size_limit()), ErrorCode::input,
              "the file is truncated: too short for ", size[0], " x ", size[1], " x ", size[2], " voxels");
  source.gap = start - position;
  source.end = start + static_cast<std::uint64_t>(volume.geometry.voxel_count()) * voxel_bytes(volume.stored_type);
  return source;
}

bool is_odd(float value, NanVoxels nan) {
  const bool background = std::isnan(value) || value == -std::numeric_limits<float>::infinity();
  return !std::isfinite(value) && !(background && nan == NanVoxels::background);
}

void check_values(const Geometry& geometry, NanVoxels nan, const float* values, std::size_t first, std::size_t count) {
  for (std::size_t v = 0; v < count; ++v) {
    if (!is_odd(values[v], nan)) continue;
    const auto index = static_cast<std::int64_t>(first + v);
    fail(ErrorCode::input, "voxel (", index % geometry.size[0], ", ", index / geometry.stride(1) % geometry.size[1],
         ", ", index / geometry.stride(2), ") is ", values[v],
         nan == NanVoxels::refuse ? "; where that is padding, clade_train and clade_sr take --nan-is-background" : "");
  }
}

void fill_background(std::vector<float>& voxels, const std::string& name, const Log& log) {
  float least = std::numeric_limits<float>::infinity();
  std::size_t filled = 0;
  for (float voxel : voxels) {
    if (std::isfinite(voxel)) {
      least = std::min(least, voxel);
    } else {
      ++filled;
    }
  }
  if (filled == 0) return;
  CLADE_CHECK(filled < voxels.size(), ErrorCode::input, "no voxel is a number");
  for (float& voxel : voxels)
    if (!std::isfinite(voxel)) voxel = least;
  log.info(name, ": ", filled, " voxels that are no numbers became background (", least, ")");
}

void read_voxels(Source& source, NanVoxels nan, const std::string& name, const Log& log) {
  ByteReader& reader = *source.reader;
  Volume& volume = source.volume;
  if (source.end / kPlausibleInflation > reader.file_size()) ByteReader(source.file).skip(source.end);
  reader.skip(source.gap);
  const std::size_t bytes = voxel_bytes(volume.stored_type);
  const auto total = static_cast<std::size_t>(volume.geometry.voxel_count());
  volume.voxels.resize(total);
  std::vector<std::byte> stored(std::min(total, kChunkVoxels) * bytes);
  for (std::size_t first = 0; first < total; first += kChunkVoxels) {
    const std::size_t count = std::min(kChunkVoxels, total - first);
    float* values = volume.voxels.data() + first;
    reader.read(stored.data(), count * bytes);
    if (source.swapped && bytes > 1)
      nifti_swap_Nbytes(static_cast<std::int64_t>(count), static_cast<int>(bytes), stored.data());
    decode_voxels(volume.stored_type, stored.data(), count, volume.slope, volume.intercept, values);
    check_values(volume.geometry, nan, values, first, count);
  }
  if (nan == NanVoxels::background) fill_background(volume.voxels, name, log);
  const std::uint64_t rest = reader.finish();
  if (rest > 0) log.warning(name, ": ", rest, " bytes behind the voxels are ignored; are the extents right?");
}

void write_forms(const Geometry& geometry, nifti_2_header& fields) {
  fields.pixdim[0] = 1.0;
  if (geometry.qform_code == 0 && geometry.sform_code == 0 && geometry.affine != scaling(geometry.spacing)) {
    // Resampled, from a file without forms: its new origin must not be lost.
    Geometry placed = geometry;
    placed.sform = geometry.affine;
    placed.sform_code = NIFTI_XFORM_SCANNER_ANAT;
    return write_forms(placed, fields);
  }
  fields.qform_code = geometry.qform_code;
  fields.sform_code = geometry.sform_code;
  if (geometry.qform_code > 0) {
    nifti_dmat44 m{};
    for (std::size_t row = 0; row < 3; ++row) std::copy_n(geometry.qform[row].begin(), 4, m.m[row]);
    m.m[3][3] = 1.0;
    nifti_dmat44_to_quatern(m, &fields.quatern_b, &fields.quatern_c, &fields.quatern_d, &fields.qoffset_x,
                            &fields.qoffset_y, &fields.qoffset_z, nullptr, nullptr, nullptr, &fields.pixdim[0]);
  }
  if (geometry.sform_code > 0) {
    std::copy_n(geometry.sform[0].begin(), 4, fields.srow_x);
    std::copy_n(geometry.sform[1].begin(), 4, fields.srow_y);
    std::copy_n(geometry.sform[2].begin(), 4, fields.srow_z);
  }
}

nifti_2_header make_fields(const Volume& volume, VoxelType type, double slope, double intercept) {
  nifti_2_header fields{};
  for (const TypeCode& entry : kTypes)
    if (entry.type == type) fields.datatype = entry.code;
  fields.bitpix = static_cast<std::int16_t>(8 * voxel_bytes(type));
  std::fill(std::begin(fields.dim), std::end(fields.dim), 1);
  std::fill(std::begin(fields.pixdim), std::end(fields.pixdim), 1.0);
  fields.dim[0] = 3;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    fields.dim[axis + 1] = volume.geometry.size[axis];
    fields.pixdim[axis + 1] = volume.geometry.spacing[axis];
  }
  write_forms(volume.geometry, fields);
  fields.scl_slope = slope;
  fields.scl_inter = intercept;
  fields.xyzt_units = NIFTI_UNITS_MM;
  volume.description.copy(fields.descrip, sizeof(fields.descrip) - 1);
  return fields;
}

void write_header(ByteWriter& writer, nifti_2_header fields, int version) {
  if (version == 2) {
    fields.sizeof_hdr = kSize2;
    std::memcpy(fields.magic, kMagic2, sizeof(kMagic2));
    fields.vox_offset = static_cast<std::int64_t>(kSize2 + kExtender);
    writer.write(&fields, sizeof(fields));
  } else {
    nifti_1_header narrow{};
    copy_fields(fields, narrow);
    narrow.sizeof_hdr = kSize1;
    narrow.regular = 'r';
    std::memcpy(narrow.magic, kMagic1, sizeof(kMagic1));
    narrow.vox_offset = static_cast<float>(kSize1 + kExtender);
    writer.write(&narrow, sizeof(narrow));
  }
  const char extender[kExtender] = {};
  writer.write(extender, sizeof(extender));
}

void write_voxels(ByteWriter& writer, const Volume& volume, VoxelType type, double slope, double intercept) {
  const std::size_t total = volume.voxels.size();
  std::vector<std::byte> stored(std::min(total, kChunkVoxels) * voxel_bytes(type));
  for (std::size_t first = 0; first < total; first += kChunkVoxels) {
    const std::size_t count = std::min(kChunkVoxels, total - first);
    encode_voxels(type, volume.voxels.data() + first, count, slope, intercept, stored.data());
    writer.write(stored.data(), count * voxel_bytes(type));
  }
}

}  // namespace

Volume read_nifti(const std::filesystem::path& path, const Log& log, NanVoxels nan) {
  return with_context(path.string(), [&] {
    Source source = open_source(path, log);
    read_voxels(source, nan, path.string(), log);
    return std::move(source.volume);
  });
}

Volume read_nifti_header(const std::filesystem::path& path, const Log& log) {
  return with_context(path.string(), [&] { return open_source(path, log).volume; });
}

void write_nifti(const std::filesystem::path& path, const Volume& volume, VoxelType type, ThreadPool* pool) {
  CLADE_CHECK(has_nifti_extension(path), ErrorCode::output, path.string(), ": the name must end in .nii or .nii.gz");
  CLADE_CHECK(std::int64_t(volume.voxels.size()) == volume.geometry.voxel_count(), ErrorCode::internal,
              "volume without its voxels");
  const auto& size = volume.geometry.size;
  const int largest = *std::max_element(size.begin(), size.end());
  CLADE_CHECK(volume.nifti_version == 2 || largest <= std::numeric_limits<std::int16_t>::max(), ErrorCode::output,
              path.string(), ": NIfTI-1 holds no axis of ", largest, " voxels");
  const bool as_stored = type == volume.stored_type;
  const double slope = as_stored ? volume.slope : 1.0;
  const double intercept = as_stored ? volume.intercept : 0.0;
  write_atomically(path, [&](const std::filesystem::path& temporary) {
    ByteWriter writer(temporary, path.extension() == ".gz" ? Compression::gzip : Compression::none, path, pool);
    write_header(writer, make_fields(volume, type, slope, intercept), volume.nifti_version);
    write_voxels(writer, volume, type, slope, intercept);
    writer.close();
  });
}

}  // namespace clade
