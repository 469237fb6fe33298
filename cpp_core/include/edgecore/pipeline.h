// Source -> preprocess -> engine -> postprocess, in the source's order, with as many frames in flight as asked for.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "edgecore/backend.h"
#include "edgecore/model.h"
#include "edgecore/postprocess.h"
#include "edgecore/source.h"
#include "edgecore/status.h"

namespace edgecore {

/// name: letters, digits, '-', '_' and '.', so that it can be a folder's.
struct NamedSource {
  std::string name;
  SourceRequest request;
};

/// pipeline.yaml, paths made absolute against the file's own folder.
struct PipelineConfig {
  SourceRequest source;
  std::vector<NamedSource> sources;        // several, read side by side (Streams); empty: `source` is the one
  std::filesystem::path model;             // the description, not the model file
  std::string backend = "cpu";
  EngineRequest engine;                    // device, threads, options; `model` is filled from the description
  std::int32_t in_flight = 0;              // runs that are open at a time; 0: 2 if the engine can, else 1
  std::int32_t batch = 0;                  // with `sources`: inputs of one run; 0: what the model says, 1 where free
  std::chrono::milliseconds batch_wait{20};  // how long a run's first frame waits for others
  std::filesystem::path annotate;          // folder for annotated JPEGs; empty: none
  bool digests = false;                    // add frame and tensor digests to each result (for comparisons)
};

Result<PipelineConfig> load_pipeline_config(const std::filesystem::path& yaml);

/// The described model on one backend. request.model is filled from the description. In this order: the file is there;
/// it has the description's sha256, if that names one; the backend's own validator finds nothing wrong; a file that
/// nobody vouches for is loaded in a process of its own first where the vendor's loader may not survive it (kCorrupt
/// if it does not); it opens; check_against.
Result<Engine> open_model(const ModelDescription& description, const std::string& backend, EngineRequest request,
                          const std::filesystem::path& backends);

/// Wall time of the stages of one frame. preprocess: until the input is made, or until the device has been told to
/// make it. infer: from the start of the frame's run until its outputs are in the host's hands; what a device still
/// has to do of preprocessing is in it. With several frames in flight it also holds the time in which the run was
/// done or waiting for the one before and the host was busy with other frames: it is the latency of the stage, and
/// the stages of all frames add up to more than the time that passed.
struct Timings {
  std::int64_t decode_us = 0, preprocess_us = 0, infer_us = 0, postprocess_us = 0;
};

/// 64-bit FNV-1a of the decoded picture and of the model's input tensor.
struct Digests {
  std::uint64_t frame = 0;
  std::optional<std::uint64_t> tensor;  // none for a tensor that was made in device memory
};

struct FrameResult {
  Frame frame;
  std::vector<Detection> detections;
  Timings timings;
  std::optional<Digests> digests;    // only with PipelineConfig::digests
  std::optional<CopyCounts> copies;  // between host and device since the result before; none: none was ever counted
};

/// Move-only, one thread at a time. open() fails before the first frame on anything that cannot work.
///
/// Pictures are preprocessed where the engine's memory is if it can (Engine::prepare), else on the CPU; what an engine
/// refuses is remembered by kind of picture. With N frames in flight the source is read N - 1 frames ahead of the
/// results: of a live stream each result comes that much later, and `engine: {in_flight: 1}` waits for each frame.
class Pipeline {
 public:
  static Result<Pipeline> open(const PipelineConfig& config, const std::filesystem::path& backends);
  Pipeline(Pipeline&&) noexcept;
  Pipeline& operator=(Pipeline&&) noexcept;
  ~Pipeline();

  /// nullopt at the end of the source. An error is that of the frame whose turn it is; the call after it goes on with
  /// the frame behind.
  Result<std::optional<FrameResult>> next();
  const ModelDescription& model() const noexcept;

 private:
  struct State;
  explicit Pipeline(std::unique_ptr<State> state) noexcept;
  std::unique_ptr<State> state_;
};

/// One line of the runner's output, without the line break:
/// {"frame", "pts_us", "detections": [{"label", "score", "box": [x0, y0, x1, y1]}], "timings_us": {...}}
/// Boxes in pixels to 3 decimals, scores to 6; "digests": {"frame", "tensor"} as 16 hex digits where asked for;
/// "copies": {"to_device", "to_device_bytes", "to_host", "to_host_bytes"} where copies are counted.
/// stream: "stream" before all else; empty: none.
std::string to_json(const FrameResult& result, const std::vector<std::string>& labels, const std::string& stream = {});

}  // namespace edgecore
