// SPDX-License-Identifier: Apache-2.0
// Order of writing is what makes a run survive a kill at any moment: log lines, epoch file and validation lines are on
// disk before the state that counts them, and the state alone decides where a resumed run goes on. What was written
// after it is cut off or written again with the same bytes.
#include "tools/training_run.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <limits>

#include "models/trainer.h"
#include "tools/best_epoch.h"
#include "tools/cli.h"
#include "tools/files.h"
#include "tools/training_data.h"
#include "tools/training_monitor.h"
#include "tools/validation.h"

namespace clade {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kWindowPairs = 8192;
constexpr const char* kEpochKey = "epoch";
constexpr const char* kPositionKey = "position";

// The losses of a step as log.jsonl names them.
struct NamedLoss {
  const char* name;
  double StepLosses::*member;
};
constexpr NamedLoss kLogged[] = {{"adversarial_gx", &StepLosses::adversarial_gx},
                                 {"adversarial_gy", &StepLosses::adversarial_gy},
                                 {"cycle_x", &StepLosses::cycle_x},
                                 {"cycle_y", &StepLosses::cycle_y},
                                 {"identity_x", &StepLosses::identity_x},
                                 {"identity_y", &StepLosses::identity_y},
                                 {"gradient", &StepLosses::gradient},
                                 {"generator", &StepLosses::generator},
                                 {"discriminator_x", &StepLosses::discriminator_x},
                                 {"discriminator_y", &StepLosses::discriminator_y}};

std::string log_line(std::int64_t step, std::int64_t epoch, const StepLosses& losses) {
  std::string line = str("{\"step\":", step, ",\"epoch\":", epoch);
  for (const auto& [name, member] : kLogged) {
    // Losses are float32; the shortest decimal form of that is exact.
    char digits[32];
    const auto end = std::to_chars(digits, digits + sizeof digits, static_cast<float>(losses.*member)).ptr;
    line += str(",\"", name, "\":", std::string_view(digits, static_cast<std::size_t>(end - digits)));
  }
  return line + "}";
}

std::int64_t read_counter(const TensorFile& state, const char* key) {
  std::int64_t value = -1;
  if (const auto entry = state.metadata.find(key); entry != state.metadata.end())
    std::from_chars(entry->second.data(), entry->second.data() + entry->second.size(), value);
  CLADE_CHECK(value >= 0, ErrorCode::model, "'", key, "' is missing or malformed");
  return value;
}

// The same file, refused as it is written if a value is not finite: no checkpoint is replaced by one that is lost. The
// update after the last finite loss can make such values.
LazyTensorFile finite(LazyTensorFile file, std::int64_t step) {
  for (auto& [name, tensor] : file.tensors)
    tensor.values = [name = name, step, make = std::move(tensor.values)](const ValueSink& sink) {
      make([&](std::span<const float> values) {
        CLADE_CHECK(std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); }),
                    ErrorCode::numerical, "step ", step, ": the tensor ", name,
                    " has values that are not finite; the last checkpoint is kept");
        sink(values);
      });
    };
  return file;
}

class TrainingRun {
 public:
  TrainingRun(const TrainingSettings& settings, const RunFolder& folder, double checkpoint_minutes, Stream& stream,
              Console& console)
      : settings_(settings),
        folder_(folder),
        checkpoint_interval_(checkpoint_minutes * 60.0),
        stream_(stream),
        console_(console),
        data_(open_training_data(settings, stream.pool(), console.log())),
        trainer_(settings.train, stream),
        monitor_(settings.train.loss.adversarial, console.log()) {}

  void start() {
    begin_epoch();
    if (!settings_.init.empty()) {
      const TensorFile init = read_safetensors(settings_.init);
      with_context(settings_.init, [&] { trainer_.load_weights(init.tensors); });
    }
    folder_.clear();
    write_text(folder_.config(), to_json(settings_).dump(2) + "\n");
    train();
  }

  void resume() {
    if (!std::filesystem::exists(folder_.state())) {
      console_.message(LogLevel::warning, "no checkpoint was made yet; starting from the beginning");
      return start();
    }
    load_state();
    begin_epoch();
    CLADE_CHECK(position_ <= steps_per_epoch_, ErrorCode::model, folder_.state().string(), " is at step ", position_,
                " of an epoch of ", steps_per_epoch_, " steps: the training data has changed");
    write_text(folder_.config(), to_json(settings_).dump(2) + "\n");
    write_model(folder_.latest());
    saved_ = true;
    train();
  }

 private:
  void load_state() {
    try {
      const TensorFile state = read_safetensors(folder_.state());
      with_context(folder_.state().string(), [&] {
        trainer_.load_state(state);
        epoch_ = read_counter(state, kEpochKey);
        position_ = read_counter(state, kPositionKey);
      });
    } catch (const Error& error) {
      fail(error.code(), error.what(), "\nThe run cannot go on. A new one can start from its weights: --init ",
           folder_.latest().string());
    }
  }

  bool finished() const {
    return epoch_ >= settings_.epochs.value_or(std::numeric_limits<std::int64_t>::max()) ||
           trainer_.step_count() >= settings_.steps.value_or(std::numeric_limits<std::int64_t>::max());
  }

  // The end of the run in steps, as far as it is known: epochs may differ in length.
  std::int64_t total_steps() const {
    std::int64_t total = std::numeric_limits<std::int64_t>::max();
    if (settings_.epochs) total = trainer_.step_count() + (*settings_.epochs - epoch_) * steps_per_epoch_ - position_;
    return std::min(total, settings_.steps.value_or(total));
  }

  void begin_epoch() {
    window_count_ = 0;
    const std::int64_t pairs = data_.pairs->begin_epoch(epoch_, stream_.pool());
    steps_per_epoch_ = pairs / settings_.train.batch;
    CLADE_CHECK(steps_per_epoch_ > 0, ErrorCode::input, "the training data has ", pairs,
                " pairs of patches, which is less than one batch of ", settings_.train.batch);
  }

  void train() {
    StepLines log(folder_.log(), trainer_.step_count());
    CLADE_CHECK(log.size() == trainer_.step_count(), ErrorCode::model, folder_.log().string(), " has ", log.size(),
                " steps, but the checkpoint is at step ", trainer_.step_count());
    // A checkpoint at the very end of an epoch was made before its scores.
    StepLines scores(folder_.validation(), trainer_.step_count() - (position_ == steps_per_epoch_ ? 1 : 0));

    started_ = last_checkpoint_ = Clock::now();
    first_step_ = trainer_.step_count();
    console_.begin_progress(first_step_);
    for (;;) {
      if (position_ == steps_per_epoch_) end_epoch(log, scores);
      if (stop_requested()) stop(log, scores);
      if (finished()) break;
      advance(log);
      if (checkpoint_due() && position_ < steps_per_epoch_) checkpoint(log, scores);
    }
    checkpoint(log, scores);
    console_.end_progress();
  }

  // One step on the CPU, many at once on a CUDA device.
  void advance(StepLines& log) {
    load_window();
    const std::int64_t before = trainer_.step_count();
    const std::int64_t first = position_ * settings_.train.batch - window_first_;
    const std::int64_t ahead =
        std::min({std::int64_t{Trainer::kMaxSteps}, (window_count_ - first) / settings_.train.batch,
                  settings_.steps.value_or(std::numeric_limits<std::int64_t>::max()) - before});
    const std::vector<StepLosses> losses = trainer_.run(first, static_cast<int>(ahead));
    for (std::size_t i = 0; i < losses.size(); ++i) {
      const std::int64_t number = before + static_cast<std::int64_t>(i) + 1;
      check_finite(losses[i], number);
      log.append(log_line(number, epoch_ + 1, losses[i]));
      monitor_.observe(number, losses[i]);
      ++position_;
    }
    saved_ = false;
    console_.progress(trainer_.step_count(), total_steps(), [&] { return progress_text(); });
  }

  [[noreturn]] void stop(StepLines& log, StepLines& scores) {
    checkpoint(log, scores);
    console_.end_progress();
    fail(ErrorCode::interrupted, "interrupted after step ", trainer_.step_count(), "; --resume goes on from there");
  }

  std::int64_t pixels() const { return std::int64_t{settings_.train.patch} * settings_.train.patch; }

  // Pairs of the epoch wait on the device, a batch on the CPU and enough for seconds of steps on a CUDA device.
  void load_window() {
    const std::int64_t batch = settings_.train.batch;
    const std::int64_t needed = position_ * batch;
    if (needed >= window_first_ && needed + batch <= window_first_ + window_count_) return;
    const std::int64_t wanted =
        stream_.device().is_cpu() ? batch : std::max(kWindowPairs / batch, std::int64_t{1}) * batch;
    window_first_ = needed;
    window_count_ = std::min(wanted, (steps_per_epoch_ - position_) * batch);
    x_.resize(static_cast<std::size_t>(window_count_ * pixels()));
    y_.resize(x_.size());
    stream_.pool().parallel_for(window_count_, [&](std::int64_t i) {
      data_.pairs->read_pair(window_first_ + i, x_.data() + i * pixels(), y_.data() + i * pixels());
    });
    trainer_.load_pairs(x_, y_);
  }

  void check_finite(const StepLosses& losses, std::int64_t step) const {
    if (losses.finite()) return;
    for (const auto& [name, member] : kLogged)
      CLADE_CHECK(std::isfinite(losses.*member), ErrorCode::numerical, "step ", step, ": the loss ", name, " is ",
                  losses.*member, "; the last checkpoint is kept");
  }

  void end_epoch(StepLines& log, StepLines& scores) {
    write_model(folder_.epoch(epoch_ + 1));
    if (!settings_.validate.empty()) {
      checkpoint(log, scores);
      validate_all(log, scores);
      keep_best(scores);
    }
    ++epoch_;
    position_ = 0;
    saved_ = false;
    checkpoint(log, scores);
    if (!finished()) begin_epoch();
  }

  void validate_all(StepLines& log, StepLines& scores) {
    SuperResolver model({load(trainer_.weights()), metadata()}, {}, stream_);
    SuperResolveOptions options;
    options.slice_axis = settings_.slice_axis;
    for (const std::string& path : settings_.validate) {
      nlohmann::ordered_json line{{"epoch", epoch_ + 1}, {"step", trainer_.step_count()}, {"volume", path}};
      try {
        line.update(
            validate(path, model, options, console_.log(), [](long long, long long) { return !stop_requested(); }));
      } catch (const Error& error) {
        if (error.code() == ErrorCode::interrupted) stop(log, scores);
        throw;
      }
      scores.append(line.dump());
    }
  }

  // Decided anew from all lines, so that a resumed run keeps the same model.
  void keep_best(StepLines& scores) const {
    if (!settings_.keep_best) return;
    scores.flush();
    if (best_epoch(folder_.validation(), *settings_.keep_best) == epoch_ + 1) write_model(folder_.best());
  }

  bool checkpoint_due() const { return Clock::now() - last_checkpoint_ >= checkpoint_interval_; }

  // Does nothing when the last checkpoint says it all.
  void checkpoint(StepLines& log, StepLines& scores) {
    if (saved_) return;
    log.flush();
    scores.flush();
    LazyTensorFile state = trainer_.state();
    state.metadata[kEpochKey] = std::to_string(epoch_);
    state.metadata[kPositionKey] = std::to_string(position_);
    write_safetensors(folder_.state(), finite(std::move(state), trainer_.step_count()));
    write_model(folder_.latest());
    last_checkpoint_ = Clock::now();
    saved_ = true;
  }

  std::map<std::string, std::string> metadata() const {
    return model_metadata(settings_, data_.plane, trainer_.step_count()).to_strings();
  }

  void write_model(const std::filesystem::path& path) const {
    write_safetensors(path, finite({trainer_.weights(), metadata()}, trainer_.step_count()));
  }

  std::string progress_text() const {
    const double seconds = std::chrono::duration<double>(Clock::now() - started_).count();
    const double rate = static_cast<double>(trainer_.step_count() - first_step_) / std::max(seconds, 1e-9);
    const double left = static_cast<double>(total_steps() - trainer_.step_count()) / std::max(rate, 1e-9);
    const auto seconds_left = std::llround(left);
    char text[64];
    std::snprintf(text, sizeof text, "  %.2f steps/s  %lld:%02lld:%02lld left  ", rate, seconds_left / 3600,
                  seconds_left / 60 % 60, seconds_left % 60);
    return str("epoch ", epoch_ + 1, "  step ", trainer_.step_count(), "/", total_steps(), text, monitor_.summary());
  }

  TrainingSettings settings_;
  const RunFolder& folder_;
  std::chrono::duration<double> checkpoint_interval_;
  Stream& stream_;
  Console& console_;
  TrainingData data_;
  Trainer trainer_;
  TrainingMonitor monitor_;
  std::int64_t epoch_ = 0;     // epochs done
  std::int64_t position_ = 0;  // steps done of the current epoch
  std::int64_t steps_per_epoch_ = 0;
  std::int64_t window_first_ = 0;  // pairs of the epoch that are on the device
  std::int64_t window_count_ = 0;
  std::int64_t first_step_ = 0;
  Clock::time_point started_;
  Clock::time_point last_checkpoint_;
  bool saved_ = false;  // the checkpoint on disk is of this very moment
  std::vector<float> x_, y_;
};

}  // namespace

TrainingSettings read_config(const RunFolder& folder) {
  const std::string path = folder.config().string();
  std::ifstream in(path, std::ios::binary);
  CLADE_CHECK(in, ErrorCode::model, "no run to resume: cannot read ", path);
  const nlohmann::json json = nlohmann::json::parse(in, nullptr, false);
  CLADE_CHECK(!json.is_discarded(), ErrorCode::model, path, ": not a JSON file");
  return with_context(path, [&] { return settings_from_json(json); });
}

void start_training(const TrainingSettings& settings, const RunFolder& folder, double checkpoint_minutes,
                    Stream& stream, Console& console) {
  TrainingRun(settings, folder, checkpoint_minutes, stream, console).start();
}

void resume_training(const TrainingSettings& settings, const RunFolder& folder, double checkpoint_minutes,
                     Stream& stream, Console& console) {
  TrainingRun(settings, folder, checkpoint_minutes, stream, console).resume();
}

}  // namespace clade
