// SPDX-License-Identifier: Apache-2.0
// resolve_file MODEL INPUT.nii.gz OUTPUT.nii.gz: a volume through a model in C++. Ctrl-C stops it.
#include <clade/clade.hpp>
#include <csignal>
#include <cstdio>
#include <string>

namespace {

volatile std::sig_atomic_t stop = 0;

std::string text(const std::array<int, 3>& size) {
  return std::to_string(size[0]) + " x " + std::to_string(size[1]) + " x " + std::to_string(size[2]);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: resolve_file MODEL INPUT OUTPUT\n");
    return static_cast<int>(clade::api::Status::usage);
  }
  std::signal(SIGINT, [](int) { stop = 1; });
  try {
    clade::api::ModelOptions how;
    how.log = [](clade::api::LogLevel, std::string_view message) {
      std::fprintf(stderr, "%.*s\n", static_cast<int>(message.size()), message.data());
    };
    clade::api::Model model(argv[1], how);

    clade::api::Volume volume = clade::api::read_nifti(argv[2], how.log);
    clade::api::Options options;
    options.stride = 16;
    options.progress = [](std::int64_t done, std::int64_t total) {
      std::fprintf(stderr, "\r%3d %%", static_cast<int>(100 * done / total));
      return stop == 0;
    };
    const std::string before = text(volume.geometry.size);
    clade::api::Volume result = model.super_resolve(std::move(volume), options);
    std::printf("\n%s voxels became %s\n", before.c_str(), text(result.geometry.size).c_str());
    clade::api::write_nifti(argv[3], std::move(result));
    return 0;
  } catch (const clade::api::Error& error) {
    std::fprintf(stderr, "\nerror: %s\n", error.what());
    return static_cast<int>(error.status());
  }
}
