// A local file, or a stream when the uri holds "://": packets of its one video stream.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "edgecore/source.h"
#include "edgecore/status.h"
#include "ffmpeg_library.h"

namespace edgecore::ffmpeg {

/// Stays where it is: FFmpeg keeps its address.
class Demuxer {
 public:
  explicit Demuxer(const SourceRequest& request);
  Demuxer(const Demuxer&) = delete;
  Demuxer& operator=(const Demuxer&) = delete;

  Status open();

  /// The next packet, ours until the next call; nullptr at the end, and where flaw() says why it comes too early.
  /// takes_damaged: a packet that is cut off is one, too.
  AVPacket* read(bool takes_damaged);
  const std::string& flaw() const noexcept { return flaw_; }

  const std::string& uri() const noexcept { return uri_; }
  bool is_network() const noexcept { return network_; }
  const AVStream& stream() const noexcept { return *stream_; }
  std::int64_t promised_packets() const noexcept { return promised_packets_; }  // 0: nobody counted them
  std::int64_t promised_end_us() const noexcept { return promised_end_us_; }    // 0: nobody said

  /// When the packet's picture is shown; none where the container does not know: AVI has but the order of decoding,
  /// which is that of display only in streams that never look ahead.
  std::optional<std::int64_t> stamp_of(const AVPacket& packet) const noexcept;
  /// Of the first packet read, and so of the stream.
  bool has_times() const noexcept { return has_times_; }
  /// Of a time stamp of the stream, from the stream's start.
  std::int64_t time_us(std::int64_t stamp) noexcept;
  AVRational frame_rate() const noexcept { return av_guess_frame_rate(format_.get(), stream_, nullptr); }

 private:
  using Clock = std::chrono::steady_clock;

  Error cannot_open(int rc) const;
  void note_time(const AVPacket& packet) noexcept;
  std::string early_end() const;

  /// A camera's stream states no length, and so has no end of its own.
  bool is_live() const noexcept { return network_ && format_->duration <= 0; }  // AV_NOPTS_VALUE is negative

  // FFmpeg asks `interrupt` while it waits for a network; a local file may take its time.
  void start_clock() noexcept { deadline_ = Clock::now() + timeout_; }
  bool is_late() const noexcept { return network_ && Clock::now() > deadline_; }
  bool is_stopped() const { return network_ && is_stopped_ && is_stopped_(); }
  static int interrupt(void* self) noexcept;

  std::string uri_;
  bool network_;
  std::chrono::milliseconds timeout_;
  std::function<bool()> is_stopped_;
  Clock::time_point deadline_;
  Format format_;
  AVStream* stream_ = nullptr;  // format_'s
  Packet packet_;
  std::int64_t promised_packets_ = 0, packets_ = 0;
  std::int64_t promised_end_us_ = 0, end_us_ = 0;
  std::optional<std::int64_t> origin_;
  bool has_times_ = false;
  std::string flaw_;
};

}  // namespace edgecore::ffmpeg
