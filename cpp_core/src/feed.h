// Several sources read side by side, each by a thread of its own.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "edgecore/input.h"
#include "edgecore/source.h"
#include "edgecore/status.h"

namespace edgecore {

class Feed {
 public:
  /// A picture, or the error that ended its stream.
  struct Item {
    std::size_t stream = 0;
    Result<HostedFrame> picture;
    std::int64_t decode_us = 0;
  };

  /// Where pictures wait: where they were decoded, or on the host. A decoder may have but a few for all who hold them,
  /// and while it waits for one to come back it takes none.
  enum class Leaves { kInPlace, kOnHost };

  /// Sources are opened by their threads: one that takes its time, or fails, holds up nobody.
  /// ahead: pictures that may wait for take(), of each stream. is_stopped: asked by all threads; may be empty.
  static Result<std::unique_ptr<Feed>> start(const std::vector<SourceRequest>& requests, std::size_t ahead,
                                             Leaves leaves, std::function<bool()> is_stopped);
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;
  /// Waits for the threads, which end after the picture that they are at.
  ~Feed();

  enum class First { kAwait, kIfThere };

  /// Up to `most` of what the streams have, by turns, each stream's in its order. For the others to join the first it
  /// waits as long as `wait`. Empty: is_stopped, or nothing will come as all have ended, or (kIfThere) `most`
  /// are not there and more may come.
  std::vector<Item> take(std::size_t most, std::chrono::microseconds wait, First first);

  /// Nothing more of this stream.
  void drop(std::size_t stream);

 private:
  struct Stream {
    std::deque<Item> waiting;
    bool is_ended = false;
  };
  Feed(std::size_t streams, std::size_t ahead, Leaves leaves, std::function<bool()> is_stopped);
  Status start_threads(const std::vector<SourceRequest>& requests);
  Result<std::optional<HostedFrame>> next_of(Source& source) const;
  void read(std::size_t stream, const SourceRequest& request);
  bool put(Item item);
  bool pop(std::vector<Item>& taken);
  bool has(std::size_t most) const;
  bool is_over() const;

  const std::size_t ahead_;
  const Leaves leaves_;
  const std::function<bool()> is_stopped_;
  std::mutex mutex_;  // of what follows
  std::condition_variable has_changed_;
  std::vector<Stream> streams_;
  std::size_t turn_ = 0;              // whose picture is looked for first
  std::atomic<bool> is_closing_{false};  // also read without the lock, by sources that wait for a network
  std::vector<std::thread> threads_;
};

}  // namespace edgecore
