// Demuxes and decodes through libavformat and libavcodec, 4.3 to 7.1; pixels are never copied.
#include "ffmpeg_source.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/avutil.h>
#include <libavutil/dict.h>
}

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "ffmpeg_frame.h"
#include "selection.h"

namespace edgecore {
namespace {

using Clock = std::chrono::steady_clock;

constexpr AVRational kMicroseconds{1, 1000000};

struct CloseFormat {
  void operator()(AVFormatContext* format) const noexcept { avformat_close_input(&format); }
};
struct FreeCodec {
  void operator()(AVCodecContext* codec) const noexcept { avcodec_free_context(&codec); }
};
struct FreePacket {
  void operator()(AVPacket* packet) const noexcept { av_packet_free(&packet); }
};
using Format = std::unique_ptr<AVFormatContext, CloseFormat>;
using Codec = std::unique_ptr<AVCodecContext, FreeCodec>;
using Packet = std::unique_ptr<AVPacket, FreePacket>;

// --- FFmpeg's own words: its error log says what its error codes don't ("moov atom not found") ---------

thread_local char log_line[256];

void keep_error(void*, int level, const char* format, std::va_list arguments) {
  if (level > AV_LOG_ERROR) return;
  std::vsnprintf(log_line, sizeof log_line, format, arguments);
  log_line[std::strcspn(log_line, "\n")] = '\0';
}

/// FFmpeg's log goes nowhere but into our errors.
void silence_log() {
  static std::once_flag once;
  std::call_once(once, [] { av_log_set_callback(keep_error); });
  log_line[0] = '\0';
}

std::string reason(int rc) {
  if (log_line[0] != '\0') return log_line;
  char text[AV_ERROR_MAX_STRING_SIZE];
  av_strerror(rc, text, sizeof text);
  return text;
}

// --- stream --------------------------------------------------------------------------------------------

/// How many packets an MP4's sample table promises; 0 where the container keeps no such count.
std::int64_t promised_packets(const AVFormatContext& format, AVStream* stream) noexcept {
  if (stream->nb_frames <= 0 || std::strstr(format.iformat->name, "mp4") == nullptr) return 0;
#if LIBAVFORMAT_VERSION_INT >= AV_VERSION_INT(59, 16, 100)
  return avformat_index_get_entries_count(stream);  // less than nb_frames where an edit list cuts
#else
  return stream->nb_index_entries;
#endif
}

/// Where the header says the file ends, from its start; 0 where FFmpeg could only estimate it.
std::int64_t promised_end_us(const AVFormatContext& format) noexcept {
  const bool told = format.duration_estimation_method == AVFMT_DURATION_FROM_STREAM;
  return told && format.duration != AV_NOPTS_VALUE ? format.duration : 0;
}

std::string seconds(std::int64_t time_us) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f s", static_cast<double>(time_us) / 1e6);
  return text;
}

class FfmpegSource final : public Source {
 public:
  FfmpegSource(const SourceRequest& request, Selection selection)
      : uri_(request.uri),
        network_(uri_.find("://") != std::string::npos),
        timeout_(request.open_timeout_ms),
        is_stopped_(request.is_stopped),
        selection_(std::move(selection)),
        packet_(av_packet_alloc()) {}

  Status open(int threads) {
    if (Status opened = open_container(); !opened) return opened;
    return open_decoder(threads);
  }

  Result<std::optional<Frame>> next() override {
    while (!selection_.done()) {
      Picture picture(av_frame_alloc());
      const int rc = avcodec_receive_frame(codec_.get(), picture.get());
      if (rc == AVERROR(EAGAIN)) {
        feed();
      } else if (rc < 0) {
        if (rc == AVERROR_EOF || draining_) return finish();
        note_damage(reason(rc));
      } else if (is_damaged(*picture) && !forgives_damage()) {
        note_damage(log_line[0] == '\0' ? "its data is damaged" : log_line);
        return finish();
      } else {
        const std::int64_t pts_us = time_of(*picture);
        if (damage_ && !follows(pts_us)) return finish();
        last_pts_us_ = pts_us;
        if (selection_.take(index_++)) return give(std::move(picture), pts_us);
      }
    }
    return std::optional<Frame>();
  }

  std::string describe() const override {
    const AVRational rate = av_guess_frame_rate(format_.get(), stream_, nullptr);
    char text[160];
    std::snprintf(text, sizeof text, "%s %dx%d %s %g fps", avcodec_get_name(codec_->codec_id), codec_->width,
                  codec_->height, pixel_format_name(codec_->pix_fmt).c_str(), rate.den == 0 ? 0.0 : av_q2d(rate));
    return text;
  }

 private:
  Status open_container() {
    silence_log();
    AVFormatContext* format = avformat_alloc_context();
    format->interrupt_callback = {&FfmpegSource::interrupt, this};
    AVDictionary* options = nullptr;
    av_dict_set(&options, "rtsp_transport", "tcp", 0);  // UDP loses packets wherever a router is busy
    av_dict_set(&options, "protocol_whitelist", network_ ? "rtsp,rtp,tcp,udp,tls,http,https" : "file", 0);
    start_clock();
    const std::string url = network_ ? uri_ : "file:" + uri_;  // else "a:b.mp4" would be a protocol
    int rc = avformat_open_input(&format, url.c_str(), nullptr, &options);
    av_dict_free(&options);
    if (rc < 0) return cannot_open(rc);
    format_.reset(format);
    start_clock();
    rc = avformat_find_stream_info(format, nullptr);
    if (rc < 0) return cannot_open(rc);

    const int best = av_find_best_stream(format, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
    if (best < 0 || (format->streams[best]->disposition & AV_DISPOSITION_ATTACHED_PIC) != 0) {
      return Error{Code::kCorrupt, uri_ + ": no video stream in it", "it may be audio, text or a damaged recording"};
    }
    stream_ = format->streams[best];
    promised_packets_ = network_ ? 0 : promised_packets(*format, stream_);
    promised_end_us_ = network_ || promised_packets_ > 0 ? 0 : promised_end_us(*format);
    return {};
  }

  Status open_decoder(int threads) {
    const AVCodecParameters* parameters = stream_->codecpar;
    const AVCodec* decoder = avcodec_find_decoder(parameters->codec_id);
    if (decoder == nullptr) {
      return Error{Code::kUnsupported,
                   uri_ + ": this build has no decoder for " + avcodec_get_name(parameters->codec_id),
                   "encode it as H.264 or H.265"};
    }
    if (parameters->format != AV_PIX_FMT_NONE && !is_supported_pixel_format(parameters->format)) {
      return unsupported_pixels(uri_, parameters->format);
    }
    codec_.reset(avcodec_alloc_context3(decoder));
    avcodec_parameters_to_context(codec_.get(), parameters);
    codec_->pkt_timebase = stream_->time_base;
    codec_->thread_count = std::max(threads, 1);
    if (const int rc = avcodec_open2(codec_.get(), decoder, nullptr); rc < 0) {
      return Error{Code::kCorrupt, uri_ + ": " + decoder->name + " decoder refused the stream: " + reason(rc), ""};
    }
    return {};
  }

  Error cannot_open(int rc) const {
    if (rc == AVERROR_PROTOCOL_NOT_FOUND || rc == AVERROR_DEMUXER_NOT_FOUND) {
      return {Code::kUnsupported, uri_ + ": " + reason(rc), "this build reads files and rtsp:// streams"};
    }
    if (network_) {
      const bool late = is_late();
      return {Code::kNotFound,
              uri_ + ": " + (late ? "no answer within " + std::to_string(timeout_.count()) + " ms" : reason(rc)),
              "is the camera on, and are address, path and password right?"};
    }
    if (rc == AVERROR(EACCES) || rc == AVERROR(ENOENT)) return {Code::kNotFound, uri_ + ": " + reason(rc), ""};
    return {Code::kCorrupt, uri_ + ": not a video this build can read, or a damaged one: " + reason(rc),
            "a recording that was cut off before its index was written has to be repaired or recorded again"};
  }

  /// Moves one packet into the decoder; at the end, or behind damage, tells it to give what it still holds.
  void feed() {
    log_line[0] = '\0';
    if (damage_ || !read_packet()) {
      avcodec_send_packet(codec_.get(), nullptr);
      draining_ = true;
      return;
    }
    const int rc = avcodec_send_packet(codec_.get(), packet_.get());
    av_packet_unref(packet_.get());
    if (rc < 0) note_damage(reason(rc));
  }

  /// The next packet of our stream that is worth decoding; false at the end and at damage.
  bool read_packet() {
    while (true) {
      av_packet_unref(packet_.get());
      start_clock();
      if (const int rc = av_read_frame(format_.get(), packet_.get()); rc < 0) {
        if (rc == AVERROR_EOF && !is_live()) return note_early_end();
        lost_ = true;
        note_damage(rc == AVERROR_EOF ? "the camera closed the stream"
                    : is_late()        ? "no data for " + std::to_string(timeout_.count()) + " ms"
                                       : reason(rc));
        return false;
      }
      note_end(*packet_);
      if (packet_->stream_index != stream_->index) continue;
      if ((packet_->flags & AV_PKT_FLAG_CORRUPT) == 0 || forgives_damage()) {
        ++packets_;
        return true;
      }
      note_damage("a packet is cut off");
      return false;
    }
  }

  /// Damage is normal on a network, and so is a recording that begins between two key frames.
  bool forgives_damage() const noexcept { return network_ || (index_ == 0 && promised_packets_ == 0); }

  /// A camera's stream states no length, and so has no end of its own.
  bool is_live() const noexcept { return network_ && format_->duration <= 0; }  // AV_NOPTS_VALUE is negative

  static bool is_damaged(const AVFrame& picture) noexcept {
    return picture.decode_error_flags != 0 || (picture.flags & AV_FRAME_FLAG_CORRUPT) != 0;
  }

  void note_damage(const std::string& what) {
    if (!damage_ && (lost_ || !forgives_damage())) damage_ = what;
  }

  void note_end(const AVPacket& packet) noexcept {
    const AVRational base = format_->streams[packet.stream_index]->time_base;
    const std::int64_t start = packet.pts != AV_NOPTS_VALUE ? packet.pts : packet.dts;
    if (start == AV_NOPTS_VALUE) return;
    const std::int64_t origin_us = format_->start_time == AV_NOPTS_VALUE ? 0 : format_->start_time;
    end_us_ = std::max(end_us_, av_rescale_q(start + packet.duration, base, kMicroseconds) - origin_us);
  }

  /// Always false: there is no further packet.
  bool note_early_end() {
    constexpr std::int64_t kToleranceUs = 500000;  // containers round what they promise
    const bool early = packets_ < promised_packets_ || end_us_ + kToleranceUs < promised_end_us_;
    if (early && !damage_) damage_ = "the file ends before its stream does";
    return false;
  }

  /// Behind damage the decoder may still hold pictures from beyond a gap, whose index nobody can tell.
  bool follows(std::int64_t pts_us) const noexcept {
    const AVRational rate = av_guess_frame_rate(format_.get(), stream_, nullptr);
    if (rate.num <= 0) return true;
    const std::int64_t interval_us = av_rescale_q(1, av_inv_q(rate), kMicroseconds);
    return index_ == 0 || pts_us - last_pts_us_ <= interval_us * 3 / 2;
  }

  /// What to say when the decoder has given its last picture.
  Result<std::optional<Frame>> finish() {
    if (damage_) return broken_off();
    if (index_ == 0) return Error{Code::kCorrupt, uri_ + ": no picture could be decoded: " + reason(AVERROR_INVALIDDATA), ""};
    if (auto error = selection_.missing(uri_, index_)) return *error;
    return std::optional<Frame>();
  }

  Error broken_off() const {
    std::string place = "stream ends at frame " + std::to_string(index_);
    if (promised_packets_ > 0) place += " of " + std::to_string(promised_packets_);
    place += " (" + seconds(last_pts_us_);
    if (promised_end_us_ > 0) place += " of " + seconds(promised_end_us_);
    return {network_ ? Code::kNotFound : Code::kCorrupt, uri_ + ": " + place + "): " + *damage_,
            network_ ? "open it again when the camera answers" : "copy or record it again; the frames before it are good"};
  }

  Result<std::optional<Frame>> give(Picture picture, std::int64_t pts_us) const {
    Result<Frame> frame = to_frame(std::move(picture), uri_);
    if (!frame) return frame.error();
    frame->index = index_ - 1;
    frame->pts_us = pts_us;
    return std::optional<Frame>(std::move(*frame));
  }

  /// From the stream's start; a stream without time stamps is taken to keep its frame rate.
  std::int64_t time_of(const AVFrame& picture) noexcept {
    const std::int64_t stamp = picture.best_effort_timestamp;
    if (stamp == AV_NOPTS_VALUE) {
      const AVRational rate = av_guess_frame_rate(format_.get(), stream_, nullptr);
      return rate.num > 0 ? av_rescale_q(index_, av_inv_q(rate), kMicroseconds) : last_pts_us_;
    }
    if (!origin_) origin_ = stream_->start_time != AV_NOPTS_VALUE ? stream_->start_time : stamp;
    return av_rescale_q(stamp - *origin_, stream_->time_base, kMicroseconds);
  }

  // FFmpeg asks `interrupt` while it waits for a network; a local file may take its time.
  void start_clock() noexcept { deadline_ = Clock::now() + timeout_; }
  bool is_late() const noexcept { return network_ && Clock::now() > deadline_; }
  bool is_stopped() const { return network_ && is_stopped_ && is_stopped_(); }
  static int interrupt(void* self) noexcept {
    const auto* source = static_cast<const FfmpegSource*>(self);
    return source->is_late() || source->is_stopped() ? 1 : 0;
  }

  std::string uri_;
  bool network_;
  std::chrono::milliseconds timeout_;
  std::function<bool()> is_stopped_;
  Clock::time_point deadline_;
  Selection selection_;
  Format format_;
  AVStream* stream_ = nullptr;  // format_'s
  Codec codec_;
  Packet packet_;
  std::int64_t promised_packets_ = 0, packets_ = 0;
  std::int64_t promised_end_us_ = 0, end_us_ = 0;
  std::int64_t index_ = 0;  // pictures decoded so far
  std::int64_t last_pts_us_ = 0;
  std::optional<std::int64_t> origin_;
  std::optional<std::string> damage_;  // set once: nothing behind it is decoded
  bool lost_ = false;                  // the container itself cannot be read on
  bool draining_ = false;
};

}  // namespace

Result<std::unique_ptr<Source>> open_ffmpeg_source(const SourceRequest& request) {
  Result<Selection> selection = Selection::make(request);
  if (!selection) return selection.error();
  auto source = std::make_unique<FfmpegSource>(request, std::move(*selection));
  if (Status opened = source->open(request.threads); !opened) return opened.error();
  return std::unique_ptr<Source>(std::move(source));
}

}  // namespace edgecore
