// Frames on one engine: inputs are made, runs are open in its slots, outputs become results. Pipeline and Streams say
// which frames.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <utility>
#include <vector>

#include "batch.h"
#include "copies.h"
#include "edgecore/input.h"
#include "edgecore/pipeline.h"
#include "edgecore/preprocess.h"

namespace edgecore {

/// Microseconds since the last call, or since it was made.
class Stopwatch {
 public:
  std::int64_t lap_us() {
    const auto now = Clock::now();
    return std::chrono::duration_cast<std::chrono::microseconds>(now - std::exchange(last_, now)).count();
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point last_ = Clock::now();
};

/// A frame between its source and its result.
struct Flying {
  HostedFrame picture;
  std::size_t stream = 0;
  Timings timings;
  std::optional<Digests> digests;
  Placement placement;
};

/// One that is open in a slot, of as many frames as its batch took.
struct Run {
  std::int32_t slot = 0;
  std::vector<Flying> frames;
  Stopwatch since_start;
};

/// Runs end in the order in which they start. One thread at a time.
class Runs {
 public:
  /// Which models: of inputs for one picture, or also of those for a fixed number of them.
  enum class Takes { kOne, kBatches };
  static Result<Runs> open(const PipelineConfig& config, const std::filesystem::path& backends, Takes takes);

  const ModelDescription& model() const noexcept { return description_; }
  std::size_t in_flight() const noexcept { return inputs_.size(); }
  std::size_t batch() const noexcept { return static_cast<std::size_t>(batching_.most); }

  /// Makes the frame's input for the run that start() begins next. An error is the frame's own: it is not in the run.
  Result<Flying> take_in(HostedFrame taken, std::int64_t decode_us);

  /// frames: those taken in since the last run, at least one. An error is that of them all.
  Result<Run> start(std::vector<Flying> frames);

  /// annotate: folders, by stream; empty: none.
  Result<std::vector<FrameResult>> finish(Run run, const std::vector<std::filesystem::path>& annotate);

 private:
  Runs(ModelDescription description, Engine engine, Batching batching, std::int32_t in_flight, bool digests);
  Result<TensorView> make_input(HostedFrame& picture);
  Result<FrameResult> read(Flying& flying, const std::vector<TensorView>& outputs);

  ModelDescription description_;
  Batching batching_;
  bool digests_;
  std::vector<TensorBuffer> inputs_;  // by slot, a row for each frame; before the engine, whose end waits for open runs
  Engine engine_;
  InputMaker maker_;
  CopyMeter copies_;
  std::int32_t next_slot_ = 0;  // runs end in the order in which they start: it is free
  std::vector<TensorView> taken_in_;
};

/// Makes it where it is missing; empty: nothing to do.
Status make_annotation_folder(const std::filesystem::path& folder);

}  // namespace edgecore
