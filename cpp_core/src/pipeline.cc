#include "edgecore/pipeline.h"

#include <chrono>
#include <cstdio>
#include <system_error>
#include <utility>

#include "edgecore/jpeg.h"
#include "edgecore/preprocess.h"
#include "fnv1a.h"

namespace edgecore {
namespace {

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

std::uint64_t digest(const TensorBuffer& tensor) noexcept {
  const auto* bytes = static_cast<const std::uint8_t*>(tensor.data());
  std::uint64_t hash = kFnvBasis;
  for (std::size_t at = 0; at < tensor.size_bytes(); ++at) hash = fnv1a(hash, bytes[at]);
  return hash;
}

std::filesystem::path picture_path(const std::filesystem::path& folder, std::int64_t frame_index) {
  char name[40];
  std::snprintf(name, sizeof name, "frame-%06lld.jpg", static_cast<long long>(frame_index));
  return folder / name;
}

Status make_folder(const std::filesystem::path& folder) {
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (!failure) return {};
  return Error{Code::kNotFound, folder.string() + ": cannot make the folder: " + failure.message(),
               "annotated pictures go there; give another folder"};
}

}  // namespace

struct Pipeline::State {
  ModelDescription description;
  Engine engine;
  std::unique_ptr<Source> source;
  TensorBuffer input;
  std::filesystem::path annotate;
  bool digests;
};

Pipeline::Pipeline(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
Pipeline::Pipeline(Pipeline&&) noexcept = default;
Pipeline& Pipeline::operator=(Pipeline&&) noexcept = default;
Pipeline::~Pipeline() = default;

Result<Pipeline> Pipeline::open(const PipelineConfig& config, const std::filesystem::path& backends) {
  Result<ModelDescription> description = load_model_description(config.model);
  if (!description) return description.error();
  Result<Engine> engine = open_model(*description, config.backend, config.engine, backends);
  if (!engine) return engine.error();
  Result<std::unique_ptr<Source>> source = open_source(config.source);
  if (!source) return source.error();
  if (!config.annotate.empty()) {
    if (Status status = make_folder(config.annotate); !status) return status.error();
  }
  TensorBuffer input(DType::kFloat32, shape_of(description->input));
  return Pipeline(std::make_unique<State>(State{*std::move(description), *std::move(engine), *std::move(source),
                                                std::move(input), config.annotate, config.digests}));
}

const ModelDescription& Pipeline::model() const noexcept { return state_->description; }

Result<std::optional<FrameResult>> Pipeline::next() {
  FrameResult result;
  Stopwatch watch;

  Result<std::optional<Frame>> frame = state_->source->next();
  if (!frame) return frame.error();
  if (!frame->has_value()) return std::optional<FrameResult>{};
  result.frame = **std::move(frame);
  result.timings.decode_us = watch.lap_us();

  const Result<Placement> placement = preprocess(result.frame, state_->description.input, state_->input);
  if (!placement) return placement.error();
  result.timings.preprocess_us = watch.lap_us();

  const Result<std::vector<TensorView>> outputs = state_->engine.run({state_->input.view()});
  if (!outputs) return outputs.error();
  result.timings.infer_us = watch.lap_us();

  Result<std::vector<Detection>> detections =
      postprocess(*outputs, state_->engine.outputs(), state_->description, *placement, result.frame.width_px,
                  result.frame.height_px);
  if (!detections) return detections.error();
  result.detections = *std::move(detections);
  result.timings.postprocess_us = watch.lap_us();

  if (state_->digests) result.digests = Digests{digest(result.frame), digest(state_->input)};
  if (!state_->annotate.empty()) {
    Status written = write_annotated_jpeg(result.frame, result.detections, state_->description.labels,
                                          picture_path(state_->annotate, result.frame.index));
    if (!written) return written.error();
  }
  return std::optional<FrameResult>(std::move(result));
}

}  // namespace edgecore
