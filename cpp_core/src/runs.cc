#include "runs.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <system_error>

#include "edgecore/jpeg.h"
#include "edgecore/postprocess.h"
#include "fnv1a.h"

namespace edgecore {
namespace {

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

Error of_frame(const Frame& frame, const Error& error) {
  return {error.code, "frame " + std::to_string(frame.index) + ": " + error.message, error.hint};
}

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

Shape with_rows(Shape shape, std::int64_t rows) {
  shape.front() = rows;
  return shape;
}

/// The whole batch's memory has to be within what a tensor may have.
Status check_size(const InputDescription& input, const Batching& batching) {
  const TensorView whole{nullptr, DType::kFloat32, with_rows(shape_of(input), batching.most), Place::kHost};
  if (whole.size_bytes() > 0 && whole.size_bytes() <= kMaxTensorBytes) return {};
  return Error{Code::kInvalidArgument,
               "engine.batch: an input of " + to_string(whole.shape) + " is beyond the 256 MiB that are supported",
               "take a smaller batch"};
}

}  // namespace

Status make_annotation_folder(const std::filesystem::path& folder) {
  if (folder.empty()) return {};
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (!failure) return {};
  return Error{Code::kNotFound, folder.string() + ": cannot make the folder: " + failure.message(),
               "annotated pictures go there; give another folder"};
}

Runs::Runs(ModelDescription description, Engine engine, Batching batching, std::int32_t in_flight, bool digests)
    : description_(std::move(description)),
      batching_(batching),
      digests_(digests),
      engine_(std::move(engine)),
      copies_(engine_.copies()) {
  const Shape shape = with_rows(shape_of(description_.input), batching_.most);
  for (std::int32_t slot = 0; slot < in_flight; ++slot) {
    TensorBuffer& input = inputs_.emplace_back(DType::kFloat32, shape);
    if (batching_.most > 1) std::memset(input.data(), 0, input.size_bytes());  // rows that no frame fills
  }
}

Result<Runs> Runs::open(const PipelineConfig& config, const std::filesystem::path& backends, Takes takes) {
  Result<ModelDescription> description = load_model_description(config.model);
  if (!description) return description.error();
  EngineRequest request = config.engine;
  request.is_stopped = config.source.is_stopped;
  request.may_batch = takes == Takes::kBatches;
  Result<Engine> engine = open_model(*description, config.backend, std::move(request), backends);
  if (!engine) return engine.error();
  const Result<Batching> batching = plan_batching(*engine, config.batch);
  if (!batching) return batching.error();
  if (Status fits = check_size(description->input, *batching); !fits) return fits.error();
  const Result<std::int32_t> in_flight = choose_in_flight(config, *engine);
  if (!in_flight) return in_flight.error();
  return Runs(*std::move(description), *std::move(engine), *batching, *in_flight, config.digests);
}

Result<Flying> Runs::take_in(HostedFrame taken, std::int64_t decode_us) {
  Flying flying{std::move(taken), 0, {}, std::nullopt, {}};
  const Frame& picture = flying.picture.frame();
  flying.timings.decode_us = decode_us;
  if (digests_) {  // before a device is told to read the picture, which an error here gives back
    const Result<const Frame*> host = flying.picture.on_host();
    if (!host) return host.error();
    flying.digests = Digests{edgecore::digest(**host), std::nullopt};
  }
  Stopwatch watch;
  flying.placement = plan_placement(picture.width_px, picture.height_px, description_.input);
  Result<TensorView> input = make_input(flying.picture);
  if (!input) return input.error();
  flying.timings.preprocess_us = watch.lap_us();
  if (digests_) flying.digests->tensor = digest(*input);
  taken_in_.push_back(*std::move(input));
  return flying;
}

/// A batch is gathered on the host: an engine prepares one picture for a slot.
Result<TensorView> Runs::make_input(HostedFrame& picture) {
  TensorBuffer& whole = inputs_[static_cast<std::size_t>(next_slot_)];
  if (batching_.most == 1) return maker_.make(engine_, next_slot_, picture, description_.input, whole);
  const Result<const Frame*> host = picture.on_host();
  if (!host) return host.error();
  TensorView row{whole.data(), DType::kFloat32, shape_of(description_.input), Place::kHost};
  float* const data = whole.floats() + taken_in_.size() * (row.size_bytes() / sizeof(float));
  row.data = data;
  const Result<Placement> placement = preprocess(**host, description_.input, data);
  if (!placement) return placement.error();
  return row;
}

Result<Run> Runs::start(std::vector<Flying> frames) {
  TensorView input = taken_in_.front();
  input.shape.front() = batching_.rows(taken_in_.size());
  taken_in_.clear();
  Run run{next_slot_, std::move(frames), {}};
  const Status started = engine_.submit(run.slot, {input});
  if (!started) return of_frame(run.frames.front().picture.frame(), started.error());
  next_slot_ = (next_slot_ + 1) % static_cast<std::int32_t>(inputs_.size());
  return run;
}

Result<std::vector<FrameResult>> Runs::finish(Run run, const std::vector<std::filesystem::path>& annotate) {
  const Result<std::vector<TensorView>> outputs = engine_.wait(run.slot);
  if (!outputs) return of_frame(run.frames.front().picture.frame(), outputs.error());
  const std::int64_t infer_us = run.since_start.lap_us();
  std::vector<FrameResult> results;
  for (Flying& flying : run.frames) {
    const auto row = static_cast<std::int64_t>(results.size());
    const Result<std::vector<TensorView>> own = row_of(*outputs, row, batching_.rows(run.frames.size()));
    if (!own) return own.error();
    flying.timings.infer_us = infer_us;
    Result<FrameResult> result = read(flying, *own);
    if (!result) return result.error();
    if (!annotate.empty()) {
      const Result<const Frame*> picture = flying.picture.on_host();
      if (!picture) return picture.error();
      const std::filesystem::path path = picture_path(annotate[flying.stream], result->frame.index);
      Status written = write_annotated_jpeg(**picture, result->detections, description_.labels, path);
      if (!written) return written.error();
    }
    if (const Frame* const host = flying.picture.download(); host != nullptr) copies_.add_download(*host);
    result->copies = copies_.lap(engine_.copies());
    results.push_back(*std::move(result));
  }
  return results;
}

Result<FrameResult> Runs::read(Flying& flying, const std::vector<TensorView>& outputs) {
  const Frame& frame = flying.picture.frame();
  Stopwatch watch;
  Result<std::vector<Detection>> detections = postprocess(outputs, engine_.outputs(), description_, flying.placement,
                                                          frame.width_px, frame.height_px);
  if (!detections) return detections.error();
  flying.timings.postprocess_us = watch.lap_us();
  return FrameResult{frame, *std::move(detections), flying.timings, flying.digests, std::nullopt};
}

}  // namespace edgecore
