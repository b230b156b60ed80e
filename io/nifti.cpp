// SPDX-License-Identifier: Apache-2.0
// nifticlib gives the header structs, byte swapping and quaternions. Its own reader is not used: it takes memory
// before it checks sizes and silently replaces NaN voxels; its writer does not report a full disk.
#include "io/nifti.h"

#include <nifti2_io.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/atomic_file.h"
#include "io/byte_file.h"
#include "io/voxel_codec.h"

namespace clade {

namespace {

constexpr std::int32_t kSize1 = 348;
constexpr std::int32_t kSize2 = 540;
constexpr std::size_t kExtender = 4;  // no extensions follow
constexpr char kMagic1[4] = {'n', '+', '1', '\0'};
constexpr char kMagic2[8] = {'n', '+', '2', '\0', '\r', '\n', '\032', '\n'};
constexpr std::size_t kChunkVoxels = std::size_t{1} << 18;

// Spacing and the lengths of the affine's columns may differ by this share before one of them is called wrong.
constexpr double kSpacingTolerance = 0.01;
// Same for the elements of sform and qform, in units of the spacing.
constexpr double kFormTolerance = 0.01;
// A determinant below this share of the product of the column lengths: the axes lie in a plane.
constexpr double kSingular = 1e-6;

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
  to.xyzt_units = static_cast<decltype(to.xyzt_units)>(from.xyzt_units);
}

// The rest of a header whose first word has been read.
template <class Layout>
Layout read_layout(ByteReader& reader, std::int32_t first_word) {
  Layout layout{};
  std::memcpy(&layout, &first_word, sizeof(first_word));
  reader.read(reinterpret_cast<char*>(&layout) + sizeof(first_word), sizeof(layout) - sizeof(first_word));
  return layout;
}

void check_magic(const char* magic, const char* expected, std::size_t size) {
  CLADE_CHECK(std::memcmp(magic, "ni", 2) != 0, ErrorCode::input,
              "header of a pair of files; only single-file NIfTI (.nii, .nii.gz) is read");
  CLADE_CHECK(std::memcmp(magic, expected, size) == 0, ErrorCode::input, "not a NIfTI file");
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
    check_magic(layout.magic, kMagic1, sizeof(kMagic1));
    if (header.swapped) nifti_swap_as_nifti1(&layout);
    // 2^53: beyond it a float holds no exact offset, and no file reaches it.
    CLADE_CHECK(layout.vox_offset >= 0.0f && layout.vox_offset < 0x1p53f, ErrorCode::input, "voxel offset is ",
                layout.vox_offset);
    copy_fields(layout, header.fields);
    header.fields.vox_offset = static_cast<std::int64_t>(layout.vox_offset);
  } else {
    header.fields = read_layout<nifti_2_header>(reader, size);
    check_magic(header.fields.magic, kMagic2, sizeof(kMagic2));
    if (header.swapped) nifti_swap_as_nifti2(&header.fields);
    header.version = 2;
  }
  return header;
}

VoxelType voxel_type(const nifti_2_header& fields) {
  for (const TypeCode& entry : kTypes)
    if (entry.code == fields.datatype) return entry.type;
  fail(ErrorCode::input, "voxel type ", nifti_datatype_string(fields.datatype), " (code ", fields.datatype,
       ") is not supported");
}

std::array<int, 3> grid_size(const nifti_2_header& fields) {
  const std::int64_t rank = fields.dim[0];
  CLADE_CHECK(rank >= 1 && rank <= 7, ErrorCode::input, "dim[0] is ", rank, ", expected 3");
  CLADE_CHECK(rank >= 3, ErrorCode::input, "the image has ", rank, " dimensions, expected 3");
  for (std::int64_t d = 4; d <= rank; ++d)
    CLADE_CHECK(fields.dim[d] == 1, ErrorCode::input, "not a single volume: dim[", d, "] is ", fields.dim[d]);
  std::array<int, 3> size{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const std::int64_t extent = fields.dim[axis + 1];
    CLADE_CHECK(extent >= 1 && extent <= std::numeric_limits<int>::max(), ErrorCode::input, "dim[", axis + 1, "] is ",
                extent);
    size[axis] = static_cast<int>(extent);
  }
  return size;
}

double millimetres_per_unit(int xyzt_units) {
  switch (XYZT_TO_SPACE(xyzt_units)) {
    case NIFTI_UNITS_METER:
      return 1e3;
    case NIFTI_UNITS_MICRON:
      return 1e-3;
    default:
      return 1.0;  // millimetres, or not said
  }
}

double column_length(const Affine& affine, std::size_t axis) {
  return std::hypot(affine[0][axis], affine[1][axis], affine[2][axis]);
}

void check_affine(const Affine& a, const char* name) {
  for (const auto& row : a)
    for (double element : row) CLADE_CHECK(std::isfinite(element), ErrorCode::input, name, " holds ", element);
  const double determinant = a[0][0] * (a[1][1] * a[2][2] - a[1][2] * a[2][1]) -
                             a[0][1] * (a[1][0] * a[2][2] - a[1][2] * a[2][0]) +
                             a[0][2] * (a[1][0] * a[2][1] - a[1][1] * a[2][0]);
  const double volume = column_length(a, 0) * column_length(a, 1) * column_length(a, 2);
  CLADE_CHECK(std::abs(determinant) > kSingular * volume, ErrorCode::input, name, " is singular");
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

Geometry read_geometry(const nifti_2_header& fields, const std::string& name, const Log& log) {
  Geometry geometry;
  geometry.size = grid_size(fields);
  const double unit = millimetres_per_unit(fields.xyzt_units);
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const double spacing = fields.pixdim[axis + 1];
    CLADE_CHECK(std::isfinite(spacing) && spacing > 0.0, ErrorCode::input, "spacing pixdim[", axis + 1, "] is ",
                spacing);
    geometry.spacing[axis] = spacing * unit;
    geometry.affine[axis][axis] = geometry.spacing[axis];
  }
  geometry.qform_code = std::max(fields.qform_code, 0);
  geometry.sform_code = std::max(fields.sform_code, 0);
  if (geometry.qform_code > 0) {
    geometry.qform = read_qform(fields, geometry.spacing, unit);
    check_affine(geometry.qform, "qform");
    geometry.affine = geometry.qform;
  }
  if (geometry.sform_code > 0) {
    geometry.sform = read_sform(fields, unit);
    check_affine(geometry.sform, "sform");
    geometry.affine = geometry.sform;
  }
  if (geometry.qform_code > 0 && geometry.sform_code > 0) {
    const double finest = *std::min_element(geometry.spacing.begin(), geometry.spacing.end());
    if (largest_difference(geometry.qform, geometry.sform) > kFormTolerance * finest)
      log.warning(name, ": sform and qform disagree; using the sform");
  }
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const double length = column_length(geometry.affine, axis);
    if (std::abs(length - geometry.spacing[axis]) <= kSpacingTolerance * geometry.spacing[axis]) continue;
    log.warning(name, ": spacing ", geometry.spacing[axis], " mm of axis ", "ijk"[axis], " is ", length,
                " mm by the affine; using the affine");
    geometry.spacing[axis] = length;
  }
  return geometry;
}

// Everything but the voxels, and how to get at them.
struct Description {
  Volume volume;
  std::uint64_t gap = 0;  // bytes between the end of the header and the voxels
  bool swapped = false;
};

Description describe(ByteReader& reader, const std::string& name, const Log& log) {
  const Header header = read_header(reader);
  const nifti_2_header& fields = header.fields;
  Description result;
  result.swapped = header.swapped;
  Volume& volume = result.volume;
  volume.nifti_version = header.version;
  volume.geometry = read_geometry(fields, name, log);
  volume.stored_type = voxel_type(fields);
  volume.description.assign(fields.descrip, strnlen(fields.descrip, sizeof(fields.descrip)));
  // A slope of 0 means "not scaled"; some writers say so with NaN.
  if (std::isfinite(fields.scl_slope) && fields.scl_slope != 0.0) {
    CLADE_CHECK(std::isfinite(fields.scl_inter), ErrorCode::input, "scl_inter is ", fields.scl_inter);
    volume.slope = fields.scl_slope;
    volume.intercept = fields.scl_inter;
  }

  const auto header_size = static_cast<std::uint64_t>(header.version == 1 ? kSize1 : kSize2);
  // Some writers leave the offset at 0.
  const std::int64_t offset =
      fields.vox_offset == 0 ? static_cast<std::int64_t>(header_size + kExtender) : fields.vox_offset;
  CLADE_CHECK(offset >= static_cast<std::int64_t>(header_size), ErrorCode::input, "voxel offset ", offset,
              " lies inside the header");
  result.gap = static_cast<std::uint64_t>(offset) - header_size;

  // By division, as the product of hostile extents may not fit any integer.
  const std::uint64_t limit = reader.size_limit();
  std::uint64_t room = static_cast<std::uint64_t>(offset) > limit ? 0 : limit - static_cast<std::uint64_t>(offset);
  room /= voxel_bytes(volume.stored_type);
  const auto& size = volume.geometry.size;
  for (int extent : size) room /= static_cast<std::uint64_t>(extent);
  CLADE_CHECK(room >= 1, ErrorCode::input, "the file is truncated: too short for ", size[0], " x ", size[1], " x ",
              size[2], " voxels");
  return result;
}

void check_finite(const Geometry& geometry, const float* values, std::size_t first, std::size_t count) {
  for (std::size_t v = 0; v < count; ++v) {
    if (std::isfinite(values[v])) continue;
    const auto index = static_cast<std::int64_t>(first + v);
    fail(ErrorCode::input, "voxel (", index % geometry.size[0], ", ", index / geometry.stride(1) % geometry.size[1],
         ", ", index / geometry.stride(2), ") is ", values[v]);
  }
}

void read_voxels(ByteReader& reader, const Description& description, Volume& volume) {
  reader.skip(description.gap);
  const std::size_t bytes = voxel_bytes(volume.stored_type);
  const auto total = static_cast<std::size_t>(volume.geometry.voxel_count());
  volume.voxels.resize(total);
  std::vector<std::byte> stored(std::min(total, kChunkVoxels) * bytes);
  for (std::size_t first = 0; first < total; first += kChunkVoxels) {
    const std::size_t count = std::min(kChunkVoxels, total - first);
    float* values = volume.voxels.data() + first;
    reader.read(stored.data(), count * bytes);
    if (description.swapped && bytes > 1)
      nifti_swap_Nbytes(static_cast<std::int64_t>(count), static_cast<int>(bytes), stored.data());
    decode_voxels(volume.stored_type, stored.data(), count, volume.slope, volume.intercept, values);
    check_finite(volume.geometry, values, first, count);
  }
  reader.finish();
}

void write_forms(const Geometry& geometry, nifti_2_header& fields) {
  fields.pixdim[0] = 1.0;
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

Volume read_nifti(const std::filesystem::path& path, const Log& log) {
  return with_context(path.string(), [&] {
    ByteReader reader(path);
    Description description = describe(reader, path.string(), log);
    Volume volume = std::move(description.volume);
    read_voxels(reader, description, volume);
    return volume;
  });
}

Volume read_nifti_header(const std::filesystem::path& path, const Log& log) {
  return with_context(path.string(), [&] {
    ByteReader reader(path);
    return describe(reader, path.string(), log).volume;
  });
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

bool has_nifti_extension(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  return name.ends_with(".nii") || name.ends_with(".nii.gz");
}

}  // namespace clade
