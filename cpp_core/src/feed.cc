#include "feed.h"

#include <algorithm>
#include <csignal>
#include <pthread.h>
#include <string>
#include <system_error>
#include <utility>

#include "runs.h"

namespace edgecore {
namespace {

constexpr std::chrono::milliseconds kLookEvery{200};  // whether to stop, while no stream has anything

/// Signals are for the thread that called us: one that a reader of ours took would not end the caller's own waiting.
class NoSignals {
 public:
  NoSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~NoSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  NoSignals(const NoSignals&) = delete;
  NoSignals& operator=(const NoSignals&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

Feed::Feed(std::size_t streams, std::size_t ahead, Leaves leaves, std::function<bool()> is_stopped)
    : ahead_(ahead), leaves_(leaves), is_stopped_(std::move(is_stopped)), streams_(streams) {}

Result<std::unique_ptr<Feed>> Feed::start(const std::vector<SourceRequest>& requests, std::size_t ahead,
                                          Leaves leaves, std::function<bool()> is_stopped) {
  std::unique_ptr<Feed> feed(new Feed(requests.size(), ahead, leaves, std::move(is_stopped)));
  if (Status started = feed->start_threads(requests); !started) return started.error();
  return feed;
}

Status Feed::start_threads(const std::vector<SourceRequest>& requests) {
  const NoSignals inherited_by_the_threads;
  try {
    for (std::size_t stream = 0; stream < requests.size(); ++stream) {
      SourceRequest request = requests[stream];
      request.is_stopped = [this] { return is_closing_ || (is_stopped_ && is_stopped_()); };
      threads_.emplace_back([this, stream, request = std::move(request)] { read(stream, request); });
    }
  } catch (const std::system_error& problem) {
    return Error{Code::kInternal, "cannot start a thread for each of " + std::to_string(requests.size()) +
                                      " sources: " + problem.what(), "read fewer in one process"};
  }
  return {};
}

Feed::~Feed() {
  {
    const std::lock_guard lock(mutex_);
    is_closing_ = true;
  }
  has_changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

Result<std::optional<HostedFrame>> Feed::next_of(Source& source) const {
  Result<std::optional<Frame>> frame = source.next();
  if (!frame) return frame.error();
  if (!frame->has_value()) return std::optional<HostedFrame>();
  HostedFrame picture(**std::move(frame));
  if (leaves_ == Leaves::kOnHost) {
    if (Status settled = picture.settle_on_host(); !settled) return settled.error();
  }
  return std::optional<HostedFrame>(std::move(picture));
}

/// A thread's life.
void Feed::read(std::size_t stream, const SourceRequest& request) {
  Result<std::unique_ptr<Source>> source = open_source(request);
  if (!source) {
    put({stream, source.error()});
  } else {
    while (true) {
      Stopwatch watch;
      Result<std::optional<HostedFrame>> picture = next_of(**source);
      if (picture && !picture->has_value()) break;
      const bool is_last = !picture;
      Item item{stream, picture ? Result<HostedFrame>(**std::move(picture)) : picture.error(), watch.lap_us()};
      if (!put(std::move(item)) || is_last) break;
    }
  }
  const std::lock_guard lock(mutex_);
  streams_[stream].is_ended = true;
  has_changed_.notify_all();
}

/// Waits until there is room; false where nobody wants more of it.
bool Feed::put(Item item) {
  std::unique_lock lock(mutex_);
  Stream& stream = streams_[item.stream];
  has_changed_.wait(lock, [&] { return is_closing_ || stream.is_ended || stream.waiting.size() < ahead_; });
  if (is_closing_ || stream.is_ended) return false;
  stream.waiting.push_back(std::move(item));
  has_changed_.notify_all();
  return true;
}

/// The next one by turns.
bool Feed::pop(std::vector<Item>& taken) {
  for (std::size_t step = 0; step < streams_.size(); ++step) {
    const std::size_t at = (turn_ + step) % streams_.size();
    std::deque<Item>& waiting = streams_[at].waiting;
    if (waiting.empty()) continue;
    taken.push_back(std::move(waiting.front()));
    waiting.pop_front();
    turn_ = at + 1;
    has_changed_.notify_all();
    return true;
  }
  return false;
}

/// So many, or the last of them.
bool Feed::has(std::size_t most) const {
  std::size_t waiting = 0;
  bool are_ended = true;
  for (const Stream& each : streams_) {
    waiting += each.waiting.size();
    are_ended = are_ended && each.is_ended;
  }
  return waiting >= most || (are_ended && waiting > 0);
}

bool Feed::is_over() const {
  return std::all_of(streams_.begin(), streams_.end(),
                     [](const Stream& each) { return each.is_ended && each.waiting.empty(); });
}

std::vector<Feed::Item> Feed::take(std::size_t most, std::chrono::microseconds wait, First first) {
  std::vector<Item> taken;
  std::unique_lock lock(mutex_);
  while (true) {
    if ((is_stopped_ && is_stopped_()) || (first == First::kIfThere && !has(most))) return taken;
    if (pop(taken)) break;
    if (is_over()) return taken;
    has_changed_.wait_for(lock, kLookEvery);
  }
  const auto deadline = std::chrono::steady_clock::now() + wait;
  while (taken.size() < most) {
    if (pop(taken)) continue;
    const auto now = std::chrono::steady_clock::now();
    if (now >= deadline || is_over() || (is_stopped_ && is_stopped_())) break;
    has_changed_.wait_until(lock, std::min(deadline, now + kLookEvery));
  }
  return taken;
}

void Feed::drop(std::size_t stream) {
  std::deque<Item> dropped;  // pictures go back to their decoders without our lock
  const std::lock_guard lock(mutex_);
  streams_[stream].is_ended = true;
  dropped.swap(streams_[stream].waiting);
  has_changed_.notify_all();
}

}  // namespace edgecore
