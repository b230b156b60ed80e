// SPDX-License-Identifier: Apache-2.0
// A CLADE training: networks, optimiser and the step.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/stream.h"
#include "io/safetensors.h"
#include "models/config.h"

namespace clade {

/// Losses of one step, made with the weights before its update; unweighted but for `generator`.
struct StepLosses {
  double adversarial_gx = 0;  ///< G_X before D_Y
  double adversarial_gy = 0;  ///< G_Y before D_X
  double cycle_x = 0;         ///< |G_Y(G_X(x)) - x|
  double cycle_y = 0;         ///< |G_X(G_Y(y)) - y|
  double identity_x = 0;      ///< |G_Y(x) - x|
  double identity_y = 0;      ///< |G_X(y) - y|
  double gradient = 0;        ///< gradient map of the y cycle
  double generator = 0;       ///< weighted sum of the above
  double discriminator_x = 0;
  double discriminator_y = 0;

  /// Mean standard deviation within a patch of G_X(x), of G_Y(y), and of the real y and x they should look like.
  double deviation_fake_y = 0;
  double deviation_fake_x = 0;
  double deviation_real_y = 0;
  double deviation_real_x = 0;

  bool finite() const;
};

/// Two generators, two discriminators and their Adam states.
class Trainer {
 public:
  /// Initial weights N(0, 0.02) from config.seed, biases 0. `stream` must outlive the trainer, which sets its
  /// precision.
  Trainer(const TrainConfig& config, Stream& stream);
  ~Trainer();

  const TrainConfig& config() const;
  /// Steps done so far.
  std::int64_t step_count() const;

  /// Puts pairs of patches on the device: x and y hold the same number of patch * patch floats, in [-1, 1].
  void load_pairs(std::span<const float> x, std::span<const float> y);
  /// At most this many steps a run.
  static constexpr int kMaxSteps = 64;
  /// `steps` steps on consecutive batches of the loaded pairs, from pair `first` on (counted round). On a CUDA device
  /// they are enqueued back to back and nothing happens on the host in between. Returns the losses of each; the first
  /// step whose losses are not all finite is the last one and changes no weights.
  std::vector<StepLosses> run(std::int64_t first, int steps);
  /// One step on `batch` pairs: load_pairs and run.
  StepLosses step(std::span<const float> x, std::span<const float> y);

  /// The weights by their names in a model file (PyTorch layouts), read when they are asked for: those of the generators
  /// averaged if config.ema says so.
  std::map<std::string, LazyTensor> weights() const;
  /// Takes over weights; names that are missing keep their values, but generator_x must be there.
  /// Throws Error(model) for a shape that does not fit.
  void load_weights(const std::map<std::string, HostTensor>& tensors);

  /// Everything that a continued training depends on: weights, Adam moments (".exp_avg", ".exp_avg_sq"), averages (".average"), pool; the
  /// step count travels in the metadata.
  LazyTensorFile state() const;
  /// Takes a state back. Throws Error(model) when it does not fit this configuration.
  void load_state(const TensorFile& state);

  /// Gradients of the losses of one step on `batch` pairs by weight name; changes nothing. The discriminators see the
  /// fakes of these pairs, not those of the pool.
  std::map<std::string, HostTensor> gradients(std::span<const float> x, std::span<const float> y);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace clade
