// SPDX-License-Identifier: Apache-2.0
// A small study on disk: truth, thick slices, and two "methods" for each subject.
#pragma once

#include <cmath>
#include <filesystem>
#include <string>

#include "core/error.h"
#include "io/nifti.h"
#include "tests/support/catch.h"
#include "tests/support/program.h"
#include "tests/support/volumes.h"

namespace clade::test {

/// Smooth blobs, so that there is something to judge, sharpen and blur.
inline Volume phantom(int seed) {
  Volume volume = random_volume(make_geometry({48, 52, 56}, {1, 1, 1}), 0.0, 4.0);
  for (int k = 0; k < 56; ++k)
    for (int j = 0; j < 52; ++j)
      for (int i = 0; i < 48; ++i) {
        const double radius = std::hypot(i - 24 + seed, j - 26, k - 28);
        float& voxel = volume.voxels[static_cast<std::size_t>(i + 48 * (j + 52 * k))];
        if (radius < 20) voxel += static_cast<float>(200.0 + 60.0 * std::sin(0.5 * i) * std::cos(0.4 * j + 0.6 * k));
      }
  return volume;
}

/// Writes FOLDER/truth, thick, good and bad/NAME.nii.gz; "good" has noise, "bad" a checkerboard.
inline void make_subject(const TempDir& folder, int seed, const std::string& name) {
  const auto path = [&](const char* kind) { return folder / str(kind, "/", name, ".nii.gz"); };
  for (const char* kind : {"truth", "thick", "good", "bad"}) std::filesystem::create_directories(folder / kind);
  const Volume truth = phantom(seed);
  write_nifti(path("truth"), truth);
  Volume good = truth, bad = truth;
  RandomSequence random(static_cast<std::uint64_t>(seed), RandomUse::test, 2);
  for (float& voxel : good.voxels) voxel += static_cast<float>((1.0 + 0.2 * seed) * random.next_normal());
  for (std::size_t i = 0; i < bad.voxels.size(); ++i)
    bad.voxels[i] += (i + i / 48 + i / 2496) % 2 == 0 ? 20.0f + static_cast<float>(seed) : -20.0f;
  write_nifti(path("good"), good);
  write_nifti(path("bad"), bad);
  REQUIRE(run("clade_eval", {"degrade", "-i", path("truth").string(), "-o", path("thick").string(), "--axis", "si",
                             "--spacing", "4", "--gap", "1", "--noise", "2", "--seed", "5", "-q"})
              .code == 0);
}

inline void make_subject(const TempDir& folder, int seed) { make_subject(folder, seed, str("s", seed)); }

}  // namespace clade::test
