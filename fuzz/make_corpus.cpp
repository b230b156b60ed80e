// SPDX-License-Identifier: Apache-2.0
// Writes seeds for the fuzz targets: make_corpus FOLDER makes FOLDER/TARGET/*.
#include <cstdio>
#include <cstring>
#include <limits>

#include "fuzz/fuzzing.h"
#include "fuzz/tiny_model.h"
#include "io/nifti.h"
#include "io/safetensors_checksum.h"

namespace {

using namespace clade;
namespace fs = std::filesystem;

class Seeds {
 public:
  explicit Seeds(fs::path root) : root_(std::move(root)) {}

  void add(const std::string& target, const std::string& bytes) const {
    fs::create_directories(root_ / target);
    const fs::path path = root_ / target / str("seed", count_++);
    std::ofstream stream(path, std::ios::binary);
    stream << bytes;
    if (!stream) fail(ErrorCode::output, "cannot write ", path.string());
  }

 private:
  fs::path root_;
  mutable int count_ = 0;
};

std::string read_bytes(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

// Mutations of a file that keeps its checksum would all end there.
std::string without_checksum(std::string file) {
  const std::string entries =
      str('"', kChecksumKey, "\":\"", kZeroChecksum, "\",\"", kChecksumKindKey, "\":\"", kChecksumKind, '"');
  const std::size_t first = file.find(str('"', kChecksumKey, '"'));
  file.replace(first, entries.size(), std::string(entries.size(), ' '));
  // The comma after it, if more metadata follows.
  if (char& next = file[first + entries.size()]; next == ',') next = ' ';
  return file;
}

std::string text(std::initializer_list<const char*> lines) {
  std::string result;
  for (const char* line : lines) result += str(line, '\n');
  return result;
}

Volume small_volume(int version) {
  Volume volume;
  volume.nifti_version = version;
  Geometry& geometry = volume.geometry;
  geometry.size = {5, 4, 3};
  geometry.spacing = {0.5, 0.5, 3.0};
  geometry.affine = {{{0.5, 0, 0, -20}, {0, 0.5, 0, 12.5}, {0, 0, 3, 7}}};
  geometry.qform = geometry.sform = geometry.affine;
  geometry.qform_code = geometry.sform_code = 1;
  for (int v = 0; v < 60; ++v) volume.voxels.push_back(static_cast<float>(v));
  return volume;
}

void add_nifti(const Seeds& seeds) {
  for (int version : {1, 2})
    for (const char* name : {"seed.nii", "seed.nii.gz"})
      for (VoxelType type : {VoxelType::int16, VoxelType::float64}) {
        const fs::path path = fuzz::folder() / name;
        write_nifti(path, small_volume(version), type);
        seeds.add("nifti", read_bytes(path) + '\0');
      }
  Volume padded = small_volume(1);
  padded.voxels[3] = std::numeric_limits<float>::quiet_NaN();
  padded.geometry.sform_code = 0;
  write_nifti(fuzz::folder() / "seed.nii", padded);
  std::string pair = read_bytes(fuzz::folder() / "seed.nii");
  seeds.add("nifti", pair + '\2');
  std::memcpy(pair.data() + 344, "ni1", 4);
  std::memset(pair.data() + 108, 0, 4);
  seeds.add("nifti", pair + '\3');
}

void add_tensors(const Seeds& seeds) {
  const fs::path path = fuzz::folder() / "seed.safetensors";
  const TensorFile model = fuzz::tiny_model(1);
  write_safetensors(path, model);
  const std::string bytes = without_checksum(read_bytes(path));
  seeds.add("model", bytes + '\0');
  seeds.add("api", '\0' + bytes);
  write_safetensors(path,
                    {{{"a", {{2, 3}, {1, 2, 3, 4, 5, 6}}}, {"b", {{0, 7}, {}}}, {"c", {{}, {1}}}}, {{"key", "value"}}});
  seeds.add("safetensors", read_bytes(path));
  std::string half = without_checksum(read_bytes(path));
  seeds.add("safetensors", half);
  const std::size_t type = half.find("F32");
  half.replace(type, 3, "F16");
  seeds.add("safetensors", half);
  const HostTensor patches{{3, 1, 4, 4}, std::vector<float>(48, 0.25f)};
  write_safetensors(path, {{{"x", patches}, {"y", patches}}, {}});
  for (char mode : {'\0', '\1'}) seeds.add("patches", without_checksum(read_bytes(path)) + mode);
}

void add_metadata(const Seeds& seeds) {
  seeds.add("model", text({"norm=instance", "patch=32", "stride=12", "range=1", "intensity=window:-1000,1000",
                           "plane=coronal", "seed=0"}) +
                         '\1');
  seeds.add("model", text({"intensity=minmax", "intensity=percentile:0,99.9", "plane=axial", "range=1e-3"}) + '\1');
  seeds.add("model", text({"generator_x.residual.0.conv1.weight=", "generator_x.residual.0.conv1.bias=",
                           "generator_x.encoder.0.weight=2,1,7,7"}) +
                         '\2');
  seeds.add("model", text({"generator_x.decoder.0.weight=4,2,3,3", "generator_x.decoder.1.weight=2,1,3,3",
                           "generator_x.encoder.1.bias=2"}) +
                         '\2');
  seeds.add("model", std::string(R"({"preset":"mri","norm":"demod","base_channels":64,"residual_blocks":6,)"
                                 R"("upsample":"resize","adversarial":"lsgan","gradient_form":"separate",)"
                                 R"("lambda_cycle":1.0,"lambda_identity":1.0,"lambda_gradient":5.0,)"
                                 R"("learning_rate":5e-05,"batch":1,"pool":0,"precision":"tf32","patch":32,)"
                                 R"("patches_per_slice":4,"foreground":0.5,"range":0.9,)"
                                 R"("intensity":"percentile:0,99.9","stride":12,"plane":null,"slice_axis":"k",)"
                                 R"("seed":0,"epochs":null,"steps":6,"init":"","inputs":["a.nii"],"patches":"",)"
                                 R"("shuffle":true,"validate":[],"version":"0.1.0"})") +
                         '\3');
}

void add_calls(const Seeds& seeds) {
  // Bytes that FuzzedDataProvider takes from either end; what they mean is for the fuzzer to find out.
  for (char fill : {'\1', '\2', '\x55', '\x7f'}) seeds.add("api", '\1' + std::string(120, fill));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_corpus FOLDER\n");
    return 2;
  }
  const Seeds seeds(argv[1]);
  add_nifti(seeds);
  add_tensors(seeds);
  add_metadata(seeds);
  add_calls(seeds);
  return 0;
}
