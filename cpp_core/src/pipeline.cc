#include "edgecore/pipeline.h"

#include <deque>
#include <utility>

#include "runs.h"

namespace edgecore {

/// What open runs read stands before `runs`, whose end waits for them.
struct Pipeline::State {
  std::unique_ptr<Source> source;
  std::vector<std::filesystem::path> annotate;
  std::deque<Result<Run>> flight;  // in the source's order; an error takes its frame's place
  Runs runs;
  bool is_ended = false;

  bool wants_more() const;
  void start_next();
  Result<Run> start(Frame frame, std::int64_t decode_us);
};

Pipeline::Pipeline(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
Pipeline::Pipeline(Pipeline&&) noexcept = default;
Pipeline& Pipeline::operator=(Pipeline&&) noexcept = default;
Pipeline::~Pipeline() = default;

Result<Pipeline> Pipeline::open(const PipelineConfig& config, const std::filesystem::path& backends) {
  if (!config.sources.empty()) {
    return Error{Code::kInvalidArgument, "sources: a pipeline of one source was asked for, and this one names several",
                 "open it as streams (streams.h; the runner does), or give it one `source`"};
  }
  Result<Runs> runs = Runs::open(config, backends, Runs::Takes::kOne);
  if (!runs) return runs.error();
  SourceRequest request = config.source;
  request.backends = backends;
  request.decoder_device = config.engine.device;
  Result<std::unique_ptr<Source>> source = open_source(request);
  if (!source) return source.error();
  std::vector<std::filesystem::path> annotate;
  if (!config.annotate.empty()) annotate.push_back(config.annotate);
  for (const std::filesystem::path& folder : annotate) {
    if (Status status = make_annotation_folder(folder); !status) return status.error();
  }
  State state{*std::move(source), std::move(annotate), {}, *std::move(runs)};
  return Pipeline(std::make_unique<State>(std::move(state)));
}

const ModelDescription& Pipeline::model() const noexcept { return state_->runs.model(); }

Result<std::optional<FrameResult>> Pipeline::next() {
  while (state_->wants_more()) state_->start_next();
  if (state_->flight.empty()) return std::optional<FrameResult>{};
  Result<Run> run = std::move(state_->flight.front());
  state_->flight.pop_front();
  if (!run) return run.error();
  Result<std::vector<FrameResult>> results = state_->runs.finish(*std::move(run), state_->annotate);
  if (!results) return results.error();
  return std::optional<FrameResult>(std::move(results->front()));
}

/// Nothing is started behind an error: the caller may not want to go on.
bool Pipeline::State::wants_more() const {
  return !is_ended && flight.size() < runs.in_flight() && (flight.empty() || flight.back().ok());
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

Result<Run> Pipeline::State::start(Frame frame, std::int64_t decode_us) {
  Result<Flying> flying = runs.take_in(HostedFrame(std::move(frame)), decode_us);
  if (!flying) return flying.error();
  std::vector<Flying> one;
  one.push_back(*std::move(flying));
  return runs.start(std::move(one));
}

}  // namespace edgecore
