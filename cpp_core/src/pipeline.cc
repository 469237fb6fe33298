#include "edgecore/pipeline.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <deque>
#include <system_error>
#include <utility>

#include "copies.h"
#include "edgecore/jpeg.h"
#include "edgecore/preprocess.h"
#include "fnv1a.h"
#include "picture_kind.h"

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

std::optional<std::uint64_t> digest(const TensorView& tensor) noexcept {
  if (tensor.place != Place::kHost) return std::nullopt;
  const auto* bytes = static_cast<const std::uint8_t*>(tensor.data);
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

Error of_frame(const Frame& frame, const Error& error) {
  return {error.code, "frame " + std::to_string(frame.index) + ": " + error.message, error.hint};
}

/// A frame between the source and its result.
struct Flying {
  FrameResult result;
  std::optional<Frame> host;  // the picture where the host can read it, once somebody had to
  Placement placement;
  std::int32_t slot = 0;
  Stopwatch since_start;  // of the run
};

/// How many runs to keep open.
Result<std::int32_t> choose_in_flight(const PipelineConfig& config, const Engine& engine) {
  constexpr std::int32_t kUsual = 2;  // one run on the device while the host works on the frames before and behind it
  if (config.in_flight == 0) return std::min(kUsual, engine.depth());
  if (config.in_flight > 0 && config.in_flight <= engine.depth()) return config.in_flight;
  return Error{Code::kInvalidArgument,
               "engine.in_flight: expected 1 to " + std::to_string(engine.depth()) + ", which backend '" +
                   config.backend + "' can have with this model, found " + std::to_string(config.in_flight),
               "leave the key out to use what the backend has"};
}

}  // namespace

/// What open runs read stands before `engine`, whose end waits for them.
struct Pipeline::State {
  ModelDescription description;
  std::unique_ptr<Source> source;
  std::filesystem::path annotate;
  bool digests;
  std::vector<TensorBuffer> inputs;       // by slot
  std::deque<Result<Flying>> flight;      // in the source's order; an error takes its frame's place
  Engine engine;
  PictureKinds unprepared;                // that the engine leaves to the CPU
  CopyMeter copies;
  std::int32_t next_slot = 0;             // runs end in the order in which they start: the slot is free
  bool is_ended = false;

  bool wants_more() const;
  void start_next();
  Result<Flying> start(Frame frame, std::int64_t decode_us);
  Result<TensorView> make_input(Flying& flying);
  Result<const Frame*> host_frame(Flying& flying);
  Result<FrameResult> finish(Flying flying);
};

Pipeline::Pipeline(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
Pipeline::Pipeline(Pipeline&&) noexcept = default;
Pipeline& Pipeline::operator=(Pipeline&&) noexcept = default;
Pipeline::~Pipeline() = default;

Result<Pipeline> Pipeline::open(const PipelineConfig& config, const std::filesystem::path& backends) {
  Result<ModelDescription> description = load_model_description(config.model);
  if (!description) return description.error();
  EngineRequest engine_request = config.engine;
  engine_request.is_stopped = config.source.is_stopped;
  Result<Engine> engine = open_model(*description, config.backend, std::move(engine_request), backends);
  if (!engine) return engine.error();
  const Result<std::int32_t> in_flight = choose_in_flight(config, *engine);
  if (!in_flight) return in_flight.error();
  SourceRequest request = config.source;
  request.backends = backends;
  request.decoder_device = config.engine.device;
  Result<std::unique_ptr<Source>> source = open_source(request);
  if (!source) return source.error();
  if (!config.annotate.empty()) {
    if (Status status = make_folder(config.annotate); !status) return status.error();
  }
  std::vector<TensorBuffer> inputs;
  const Shape shape = shape_of(description->input);
  for (std::int32_t slot = 0; slot < *in_flight; ++slot) inputs.emplace_back(DType::kFloat32, shape);
  const CopyMeter copies(engine->copies());
  State state{*std::move(description), *std::move(source), config.annotate, config.digests, std::move(inputs), {},
              *std::move(engine),      {},                 copies};
  return Pipeline(std::make_unique<State>(std::move(state)));
}

const ModelDescription& Pipeline::model() const noexcept { return state_->description; }

Result<std::optional<FrameResult>> Pipeline::next() {
  while (state_->wants_more()) state_->start_next();
  if (state_->flight.empty()) return std::optional<FrameResult>{};
  Result<Flying> flying = std::move(state_->flight.front());
  state_->flight.pop_front();
  if (!flying) return flying.error();
  Result<FrameResult> result = state_->finish(*std::move(flying));
  if (!result) return result.error();
  return std::optional<FrameResult>(*std::move(result));
}

/// Nothing is started behind an error: the caller may not want to go on.
bool Pipeline::State::wants_more() const {
  return !is_ended && flight.size() < inputs.size() && (flight.empty() || flight.back().ok());
}

void Pipeline::State::start_next() {
  Stopwatch watch;
  Result<std::optional<Frame>> frame = source->next();
  if (!frame) {
    flight.emplace_back(frame.error());
  } else if (!frame->has_value()) {
    is_ended = true;
  } else {
    flight.push_back(start(**std::move(frame), watch.lap_us()));
  }
}

/// Until the run is open in the next slot.
Result<Flying> Pipeline::State::start(Frame frame, std::int64_t decode_us) {
  Flying flying;
  flying.slot = next_slot;
  flying.result.frame = std::move(frame);
  flying.result.timings.decode_us = decode_us;
  if (digests) {  // before a device is told to read the picture, which an error here gives back
    const Result<const Frame*> picture = host_frame(flying);
    if (!picture) return picture.error();
    flying.result.digests = Digests{digest(**picture), std::nullopt};
  }
  Stopwatch watch;
  const Result<TensorView> input = make_input(flying);
  if (!input) return input.error();
  flying.result.timings.preprocess_us = watch.lap_us();
  if (digests) flying.result.digests->tensor = digest(*input);
  flying.since_start = Stopwatch();
  const Status started = engine.submit(flying.slot, {*input});
  if (!started) return of_frame(flying.result.frame, started.error());
  next_slot = (next_slot + 1) % static_cast<std::int32_t>(inputs.size());
  return flying;
}

/// By the engine where its memory is, or else on the CPU.
Result<TensorView> Pipeline::State::make_input(Flying& flying) {
  const Frame& frame = flying.result.frame;
  flying.placement = plan_placement(frame.width_px, frame.height_px, description.input);
  const PictureKind kind = kind_of(frame);
  if (!unprepared.has(kind)) {
    Result<TensorView> prepared = engine.prepare(flying.slot, frame, description.input);
    if (prepared || prepared.error().code != Code::kUnsupported) return prepared;
    unprepared.add(kind);
  }
  const Result<const Frame*> host = host_frame(flying);
  if (!host) return host.error();
  TensorBuffer& input = inputs[static_cast<std::size_t>(flying.slot)];
  const Result<Placement> placement = preprocess(**host, description.input, input);
  if (!placement) return placement.error();
  return input.view();
}

Result<const Frame*> Pipeline::State::host_frame(Flying& flying) {
  if (!flying.host) {
    Result<Frame> host = to_host(flying.result.frame);
    if (!host) return host.error();
    if (flying.result.frame.place != Place::kHost) copies.add_download(*host);
    flying.host = *std::move(host);
  }
  return &*flying.host;
}

Result<FrameResult> Pipeline::State::finish(Flying flying) {
  FrameResult& result = flying.result;
  const Frame& frame = result.frame;
  const Result<std::vector<TensorView>> outputs = engine.wait(flying.slot);
  if (!outputs) return of_frame(frame, outputs.error());
  result.timings.infer_us = flying.since_start.lap_us();

  Result<std::vector<Detection>> detections =
      postprocess(*outputs, engine.outputs(), description, flying.placement, frame.width_px, frame.height_px);
  if (!detections) return detections.error();
  result.detections = *std::move(detections);
  result.timings.postprocess_us = flying.since_start.lap_us();

  if (!annotate.empty()) {
    const Result<const Frame*> picture = host_frame(flying);
    if (!picture) return picture.error();
    const std::filesystem::path path = picture_path(annotate, frame.index);
    Status written = write_annotated_jpeg(**picture, result.detections, description.labels, path);
    if (!written) return written.error();
  }
  result.copies = copies.lap(engine.copies());
  return std::move(flying.result);
}

}  // namespace edgecore
