#include "loop_source.h"

#include <optional>
#include <string>
#include <utility>

#include "selection.h"

namespace edgecore {
namespace {

/// Opens the source anew for each round. Indices and times go on where the round before ended, as a camera's
/// would: what follows the runner sees no seam.
class LoopSource final : public Source {
 public:
  LoopSource(SourceRequest round, OpenSource open, Selection selection)
      : request_(std::move(round)), open_(open), selection_(std::move(selection)) {}

  Status start_round() {
    round_.reset();  // its memory, before there is another
    Result<std::unique_ptr<Source>> opened = open_(request_);
    if (!opened) return opened.error();
    round_ = *std::move(opened);
    first_index_ = next_index_;
    first_pts_us_ = next_pts_us_;
    given_ = 0;
    return {};
  }

  Result<std::optional<Frame>> next() override {
    while (!selection_.done()) {
      Result<std::optional<Frame>> frame = round_->next();
      if (!frame) return frame;
      if (frame->has_value()) return follow(**std::move(frame));
      if (given_ == 0) return frame;  // nothing in it: another round would not end either
      if (Status again = start_round(); !again) return again.error();
    }
    return std::optional<Frame>();
  }

  std::string describe() const override { return round_->describe() + ", again and again"; }

 private:
  std::optional<Frame> follow(Frame frame) {
    frame.index += first_index_;
    frame.pts_us += first_pts_us_;
    // The last picture is shown for as long as the one before it; a source without times stays at 0.
    if (given_ > 0) interval_us_ = frame.pts_us - last_pts_us_;
    last_pts_us_ = frame.pts_us;
    next_index_ = frame.index + 1;
    next_pts_us_ = frame.pts_us + interval_us_;
    ++given_;
    selection_.take(frame.index);
    return frame;
  }

  SourceRequest request_;  // of one round
  OpenSource open_;
  Selection selection_;
  std::unique_ptr<Source> round_;
  std::int64_t given_ = 0;  // in this round
  std::int64_t first_index_ = 0, next_index_ = 0;
  std::int64_t first_pts_us_ = 0, last_pts_us_ = 0, next_pts_us_ = 0;
  std::int64_t interval_us_ = 0;
};

}  // namespace

Result<std::unique_ptr<Source>> open_loop_source(const SourceRequest& request, OpenSource open) {
  if (request.uri.find("://") != std::string::npos) {
    return Error{Code::kInvalidArgument, request.uri + ": a stream has no end to start again from",
                 "loop is for files and folders"};
  }
  if (!request.frames.empty()) {
    return Error{Code::kInvalidArgument, request.uri + ": loop and frames exclude each other",
                 "a chosen frame comes once; limit ends a loop"};
  }
  Result<Selection> selection = Selection::make(request);
  if (!selection) return selection.error();
  SourceRequest round = request;
  round.loop = false;
  round.limit = 0;
  auto source = std::make_unique<LoopSource>(std::move(round), open, *std::move(selection));
  if (Status started = source->start_round(); !started) return started.error();
  return std::unique_ptr<Source>(std::move(source));
}

}  // namespace edgecore
