// Which pictures of a source the caller asked for: SourceRequest::frames and limit.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "edgecore/source.h"
#include "edgecore/status.h"

namespace edgecore {

class Selection {
 public:
  static Result<Selection> make(const SourceRequest& request) {
    const std::vector<std::int64_t>& frames = request.frames;
    const bool rising = std::adjacent_find(frames.begin(), frames.end(), std::greater_equal<>()) == frames.end();
    if (!rising || (!frames.empty() && frames.front() < 0)) {
      return Error{Code::kInvalidArgument, request.uri + ": frames must be rising and not negative", ""};
    }
    if (request.limit < 0) {
      return Error{Code::kInvalidArgument,
                   request.uri + ": limit is " + std::to_string(request.limit) + ", expected 0 (none) or more", ""};
    }
    return Selection(frames, request.limit);
  }

  /// Nothing further is wanted.
  bool done() const noexcept { return (limit_ > 0 && given_ == limit_) || (!frames_.empty() && at_ == frames_.size()); }

  /// Is the picture at `index` wanted? Asked once for each picture, in order; yes counts it as given.
  bool take(std::int64_t index) noexcept {
    if (!frames_.empty()) {
      if (index != frames_[at_]) return false;
      ++at_;
    }
    ++given_;
    return true;
  }

  /// At the end of a source of `count` pictures: an error if one that was asked for by index never came.
  std::optional<Error> missing(const std::string& uri, std::int64_t count) const {
    if (frames_.empty() || done()) return std::nullopt;
    return Error{Code::kNotFound,
                 uri + ": frame " + std::to_string(frames_[at_]) + " was asked for, but there are only " +
                     std::to_string(count),
                 "frames are counted from 0"};
  }

 private:
  Selection(std::vector<std::int64_t> frames, std::int64_t limit) : frames_(std::move(frames)), limit_(limit) {}

  std::vector<std::int64_t> frames_;  // empty: all
  std::int64_t limit_ = 0;            // 0: none
  std::int64_t given_ = 0;
  std::size_t at_ = 0;  // next of frames_
};

}  // namespace edgecore
