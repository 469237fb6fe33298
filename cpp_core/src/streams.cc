#include "edgecore/streams.h"

#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include "feed.h"
#include "runs.h"

namespace edgecore {
namespace {

namespace fs = std::filesystem;

/// A run, and the errors of streams that ended where it was put together: told behind its results.
struct Flight {
  std::optional<Run> run;
  std::vector<StreamResult> ends;
};

/// A folder for each stream; none where nothing is annotated.
Result<std::vector<fs::path>> make_folders(const PipelineConfig& config) {
  std::vector<fs::path> folders;
  if (config.annotate.empty()) return folders;
  for (const NamedSource& source : config.sources) {
    folders.push_back(config.annotate / source.name);
    if (Status made = make_annotation_folder(folders.back()); !made) return made.error();
  }
  return folders;
}

}  // namespace

/// What open runs read stands before `runs`, whose end waits for them.
struct Streams::State {
  std::vector<fs::path> annotate;
  std::chrono::microseconds batch_wait;
  std::deque<StreamResult> ready;
  std::deque<Flight> flight;
  Runs runs;
  std::unique_ptr<Feed> feed;

  std::optional<Error> failure;  // of the engine: nothing is started any more
  bool is_told = false;          // it; runs that are still open end with the engine

  void start_next(Feed::First first);
  Flight put_together(std::vector<Feed::Item> items);
  Status finish(Flight flown);
};

Streams::Streams(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
Streams::Streams(Streams&&) noexcept = default;
Streams& Streams::operator=(Streams&&) noexcept = default;
Streams::~Streams() = default;

Result<Streams> Streams::open(const PipelineConfig& config, const fs::path& backends) {
  if (config.sources.empty()) return Error{Code::kInvalidArgument, "sources: expected at least one", {}};
  Result<Runs> runs = Runs::open(config, backends, Runs::Takes::kBatches);
  if (!runs) return runs.error();
  Result<std::vector<fs::path>> folders = make_folders(config);
  if (!folders) return folders.error();
  std::vector<SourceRequest> requests;
  for (const NamedSource& source : config.sources) {
    SourceRequest& request = requests.emplace_back(source.request);
    request.backends = backends;
    request.decoder_device = config.engine.device;
  }
  // Two: one is worked on while the next is decoded. A batch may be of fewer streams than it has rows.
  const std::size_t ahead = std::max<std::size_t>(2, (runs->batch() + requests.size() - 1) / requests.size());
  const auto leaves = runs->batch() > 1 ? Feed::Leaves::kOnHost : Feed::Leaves::kInPlace;
  Result<std::unique_ptr<Feed>> feed = Feed::start(requests, ahead, leaves, config.source.is_stopped);
  if (!feed) return feed.error();
  State state{*std::move(folders), config.batch_wait, {}, {}, *std::move(runs), *std::move(feed), std::nullopt};
  return Streams(std::make_unique<State>(std::move(state)));
}

const ModelDescription& Streams::model() const noexcept { return state_->runs.model(); }

Result<std::optional<StreamResult>> Streams::next() {
  State& state = *state_;
  while (state.ready.empty()) {
    while (!state.failure && state.flight.size() < state.runs.in_flight()) {
      const std::size_t before = state.flight.size();
      // With runs open, frames that are not there yet are not waited for: the results of those are.
      const auto first = before == 0 ? Feed::First::kAwait : Feed::First::kIfThere;
      state.start_next(first);
      if (state.flight.size() == before) break;
    }
    if (state.is_told || (state.flight.empty() && state.failure)) return *state.failure;
    if (state.flight.empty()) return std::optional<StreamResult>();
    Flight flown = std::move(state.flight.front());
    state.flight.pop_front();
    if (Status finished = state.finish(std::move(flown)); !finished) {
      state.failure = finished.error();
      state.is_told = true;
      return *state.failure;
    }
  }
  StreamResult result = std::move(state.ready.front());
  state.ready.pop_front();
  return std::optional<StreamResult>(std::move(result));
}

void Streams::State::start_next(Feed::First first) {
  std::vector<Feed::Item> items = feed->take(runs.batch(), batch_wait, first);
  if (items.empty()) return;
  flight.push_back(put_together(std::move(items)));
}

Flight Streams::State::put_together(std::vector<Feed::Item> items) {
  Flight put;
  std::vector<Flying> frames;
  const auto has_ended = [&](std::size_t stream) {
    return std::any_of(put.ends.begin(), put.ends.end(), [&](const StreamResult& end) { return end.stream == stream; });
  };
  for (Feed::Item& item : items) {
    if (has_ended(item.stream)) continue;  // frames behind an error of their stream
    Result<Flying> flying = item.picture ? runs.take_in(*std::move(item.picture), item.decode_us)
                                         : Result<Flying>(item.picture.error());
    if (!flying) {
      feed->drop(item.stream);
      put.ends.push_back({item.stream, flying.error()});
      continue;
    }
    flying->stream = item.stream;
    frames.push_back(*std::move(flying));
  }
  if (frames.empty()) return put;
  Result<Run> run = runs.start(std::move(frames));
  if (run) {
    put.run = *std::move(run);
  } else {
    failure = run.error();
  }
  return put;
}

Status Streams::State::finish(Flight flown) {
  if (flown.run) {
    std::vector<std::size_t> streams;
    for (const Flying& flying : flown.run->frames) streams.push_back(flying.stream);
    Result<std::vector<FrameResult>> results = runs.finish(*std::move(flown.run), annotate);
    if (!results) return results.error();
    for (std::size_t at = 0; at < streams.size(); ++at) ready.push_back({streams[at], std::move((*results)[at])});
  }
  for (StreamResult& end : flown.ends) ready.push_back(std::move(end));
  return {};
}

}  // namespace edgecore
