// SPDX-License-Identifier: Apache-2.0
// CLADE for C++ programs: super-resolution of a volume in memory.
// The library prints nothing, keeps no global state, and never ends the process.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace clade::api {

/// Kinds of failure. The values are the exit codes of the programs.
enum class Status : int {
  ok = 0,
  internal = 1,      ///< a broken invariant of the library
  usage = 2,         ///< wrong arguments
  input = 3,         ///< volume unreadable, malformed or unsupported
  model = 4,         ///< model invalid, or it does not fit
  output = 5,        ///< a file cannot be written
  device = 6,        ///< device unavailable, or out of memory
  numerical = 7,     ///< the network made values that are not finite
  interrupted = 130  ///< stopped by cancel() or by the progress callback
};

/// The one exception type of this header.
class Error : public std::runtime_error {
 public:
  Error(Status status, const std::string& message) : std::runtime_error(message), status_(status) {}
  Status status() const noexcept { return status_; }

 private:
  Status status_;
};

enum class LogLevel { error, warning, info, debug };

/// Gets messages, in the thread that calls the library. Callbacks must not throw.
using LogCallback = std::function<void(LogLevel level, std::string_view message)>;

/// Called with units of work done and in all, in the thread that called the library; false stops the work.
/// Callbacks must not throw.
using ProgressCallback = std::function<bool(std::int64_t done, std::int64_t total)>;

/// Rows of the 3 x 4 matrix that takes voxel indices (i, j, k, 1) to world millimetres, RAS+: x to the right, y to the
/// front, z up. (DICOM and ITK point x to the left and y to the back: change the sign of the first two rows.)
using Affine = std::array<std::array<double, 4>, 3>;

/// Where the voxels of a volume are.
struct Geometry {
  std::array<int, 3> size{};        ///< voxels along i, j, k
  std::array<double, 3> spacing{};  ///< millimetres
  Affine affine{};                  ///< all zeros: the voxel axes are the world axes, with `spacing`
  /// What NIfTI files say besides; leave it alone where voxels come from elsewhere. `affine` is the sform when
  /// sform_code > 0, else the qform when qform_code > 0, else it becomes the sform of a file that is written.
  int sform_code = 0;
  int qform_code = 0;
  Affine qform{};

  std::size_t voxel_count() const {
    return static_cast<std::size_t>(size[0]) * static_cast<std::size_t>(size[1]) * static_cast<std::size_t>(size[2]);
  }
};

/// A volume in memory: voxel (i, j, k) is voxels[i + size[0] * (j + size[1] * k)].
struct Volume {
  Geometry geometry;
  std::vector<float> voxels;
};

/// How a model is loaded.
struct ModelOptions {
  std::string device = "auto";  ///< auto, cpu, cuda or cuda:N
  int threads = 0;              ///< 0: all processors of this process
  std::string norm;             ///< demod or instance; empty: as the file says
  std::string precision;        ///< of convolutions on a CUDA device, tf32, fp32 or bf16; empty: tf32
  LogCallback log;
};

/// How a volume is super-resolved. Words are those of the command line; what is empty or 0 comes from the model.
struct Options {
  int stride = 0;          ///< pixels from tile to tile: smaller is smoother and slower
  int batch = 0;           ///< tiles per call of the network; 0: what keeps the device busy
  std::string plane;       ///< low-resolution plane: sagittal, coronal or axial
  std::string slice_axis;  ///< axis across the slices: i, j or k; empty: the one with the largest spacing
  std::string intensity;   ///< minmax, percentile:LO,HI or window:LO,HI
  ProgressCallback progress;
  int back_projections = 0;  ///< rounds of making the result explain the acquired slices, after the network
  double thickness = 0.0;    ///< of the acquired slices for them, mm; 0: their spacing
  /// Where it is given, super_resolve() puts the standard deviation of the overlapping tiles there, in intensities, on
  /// the grid of the result: 0 where one tile alone covers a voxel. plan() counts its memory. Takes one more volume.
  Volume* uncertainty = nullptr;
};

/// What super-resolution of a volume will do.
struct Plan {
  Geometry geometry;  ///< of the result
  int slice_axis = 2;
  std::int64_t slices = 0;
  std::int64_t tiles = 0;              ///< units of work
  std::int64_t peak_memory_bytes = 0;  ///< estimate for the whole process
};

/// A trained model on a device, with threads of its own. One call at a time, but for cancel(); different models are
/// independent of each other.
class Model {
 public:
  /// Throws Error: model (file), usage (option) or device.
  explicit Model(const std::filesystem::path& path, const ModelOptions& options = {});
  ~Model();
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;

  /// "cpu" or "cuda:N".
  std::string device() const;

  /// Decides everything and does nothing. Throws Error: input (geometry) or usage (option).
  Plan plan(const Geometry& geometry, const Options& options = {}) const;

  /// The volume with square pixels in its low-resolution plane: the slice axis is resampled, the other axes stay, and
  /// so does the centre of the field of view. Move the volume in to save memory.
  /// Throws Error: input (geometry, voxels that are not finite, a constant volume), usage, device, numerical, or
  /// interrupted.
  Volume super_resolve(Volume volume, const Options& options = {});

  /// Stops super_resolve() within a batch of tiles, from any thread. When none is running it stops the next one, so
  /// that a cancel that comes before the work has started is not lost.
  void cancel() noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// A step of a training: its losses, unweighted, made before the update.
struct TrainingProgress {
  std::int64_t step = 0;  ///< steps done, this one included
  std::int64_t steps = 0;
  double adversarial = 0.0;    ///< of the super-resolver
  double discriminator = 0.0;  ///< of its judge
  double cycle = 0.0;          ///< |G_X(G_Y(y)) - y|
  double gradient = 0.0;       ///< gradient map of the same cycle
};

/// Called after each step in the thread that called the library; false stops the training. Must not throw.
using TrainingCallback = std::function<bool(const TrainingProgress&)>;

/// How a model is trained. Words are those of the command line; what is empty comes from the preset.
struct TrainingOptions {
  std::string preset = "mri";  ///< mri or ct
  std::int64_t steps = 20000;
  int batch = 1;  ///< pairs of patches a step
  std::optional<double> learning_rate;
  double clip_gradient = 0.0;  ///< largest norm of the gradients of each optimiser, 0: any
  std::optional<double> ema;  ///< decay of the average of the weights that the model holds, 0: none
  std::uint64_t seed = 0;
  int base_channels = 64;  ///< of the networks
  int residual_blocks = 6;
  std::string norm;             ///< demod or instance
  std::string plane;            ///< low-resolution plane: sagittal, coronal or axial
  std::string slice_axis;       ///< axis across the slices: i, j or k; empty: the one with the largest spacing
  std::string intensity;        ///< minmax, percentile:LO,HI or window:LO,HI
  std::string device = "auto";  ///< auto, cpu, cuda or cuda:N
  int threads = 0;              ///< 0: all processors of this process
  LogCallback log;
  TrainingCallback progress;
};

/// Trains a model on volumes in memory and writes it, whole or not at all; replaces a file that is there. The same
/// volumes and options give the same bytes, and those of clade_train. A training that is stopped writes nothing: for
/// runs of hours clade_train is better, whose runs can be resumed. Throws Error: usage, input (no volumes, geometry, a
/// volume smaller than a patch), output, device, numerical (losses that are not finite), or interrupted.
void train(std::vector<Volume> volumes, const std::filesystem::path& model, const TrainingOptions& options = {});

/// Reads a 3-D NIfTI file (.nii, .nii.gz, or either name of a pair .hdr and .img). Throws Error(input).
Volume read_nifti(const std::filesystem::path& path, const LogCallback& log = {});

/// Writes a NIfTI file of float32 voxels, whole or not at all; replaces a file that is there. `threads` (0: all
/// processors) compress. Throws Error(output), or Error(input) for a volume that is not one.
void write_nifti(const std::filesystem::path& path, Volume volume, int threads = 1);

/// Version of the library, "MAJOR.MINOR.PATCH".
const char* version() noexcept;

}  // namespace clade::api
