// Several sources through one engine: a pipeline for each, and the model once.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "edgecore/pipeline.h"
#include "edgecore/status.h"

namespace edgecore {

/// What a stream gave. An error ends it; the others go on.
struct StreamResult {
  std::size_t stream = 0;  // its place in PipelineConfig::sources
  Result<FrameResult> result;
};

/// Move-only, one thread at a time. Each source is read by a thread of its own, ahead of the engine by a few pictures
/// and no more: where the engine is slower, sources wait. Streams take turns. Results come in each stream's own order.
///
/// PipelineConfig::batch: frames of any streams go into one run. It starts when it is full, or when its first frame has
/// waited for batch_wait: a slow stream holds up nobody for longer. Inputs of a batch are made on the CPU, and each
/// thread brings its pictures there (in decode_us), so that a decoder gets its own back at once; else as in a Pipeline.
/// FrameResult::copies are those since the result before, whosesoever that was.
class Streams {
 public:
  /// Fails on what no stream could work with: the model, the engine, the folders. A source that does not open is its
  /// stream's error, told by next().
  static Result<Streams> open(const PipelineConfig& config, const std::filesystem::path& backends);
  Streams(Streams&&) noexcept;
  Streams& operator=(Streams&&) noexcept;
  ~Streams();

  /// nullopt when all streams have ended, or config.source.is_stopped says so and what was in flight has been told. An
  /// error is the engine's, or of what all share: it is told behind the results of the runs before it, and is the end.
  Result<std::optional<StreamResult>> next();

  const ModelDescription& model() const noexcept;

 private:
  struct State;
  explicit Streams(std::unique_ptr<State> state) noexcept;
  std::unique_ptr<State> state_;
};

}  // namespace edgecore
