#include "ffmpeg_demuxer.h"

extern "C" {
#include <libavutil/dict.h>
}

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace edgecore::ffmpeg {
namespace {

constexpr AVRational kMicroseconds{1, 1000000};

/// How many packets an MP4's sample table promises; 0 where the container keeps no such count.
std::int64_t count_promised(const AVFormatContext& format, AVStream* stream) noexcept {
  if (stream->nb_frames <= 0 || std::strstr(format.iformat->name, "mp4") == nullptr) return 0;
#if LIBAVFORMAT_VERSION_INT >= AV_VERSION_INT(59, 16, 100)
  return avformat_index_get_entries_count(stream);  // less than nb_frames where an edit list cuts
#else
  return stream->nb_index_entries;
#endif
}

/// Where the header says the file ends, from its start; 0 where FFmpeg could only estimate it.
std::int64_t end_promised(const AVFormatContext& format) noexcept {
  const bool told = format.duration_estimation_method == AVFMT_DURATION_FROM_STREAM;
  return told && format.duration != AV_NOPTS_VALUE ? format.duration : 0;
}

}  // namespace

Demuxer::Demuxer(const SourceRequest& request)
    : uri_(request.uri),
      network_(uri_.find("://") != std::string::npos),
      timeout_(request.open_timeout_ms),
      is_stopped_(request.is_stopped),
      packet_(av_packet_alloc()) {}

Status Demuxer::open() {
  silence_log();
  AVFormatContext* format = avformat_alloc_context();
  format->interrupt_callback = {&Demuxer::interrupt, this};
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
  promised_packets_ = network_ ? 0 : count_promised(*format, stream_);
  promised_end_us_ = network_ || promised_packets_ > 0 ? 0 : end_promised(*format);
  return {};
}

Error Demuxer::cannot_open(int rc) const {
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

AVPacket* Demuxer::read(bool takes_damaged) {
  while (true) {
    av_packet_unref(packet_.get());
    start_clock();
    if (const int rc = av_read_frame(format_.get(), packet_.get()); rc < 0) {
      const bool at_end = rc == AVERROR_EOF;
      if (at_end && !is_live()) {
        flaw_ = early_end();
      } else {
        flaw_ = at_end      ? "the camera closed the stream"
                : is_late() ? "no data for " + std::to_string(timeout_.count()) + " ms"
                            : reason(rc);
      }
      return nullptr;
    }
    note_time(*packet_);
    if (packet_->stream_index != stream_->index) continue;
    if ((packet_->flags & AV_PKT_FLAG_CORRUPT) != 0 && !takes_damaged) {
      flaw_ = "a packet is cut off";
      return nullptr;
    }
    if (packets_++ == 0) has_times_ = stamp_of(*packet_).has_value();
    return packet_.get();
  }
}

void Demuxer::note_time(const AVPacket& packet) noexcept {
  const AVRational base = format_->streams[packet.stream_index]->time_base;
  const std::int64_t start = packet.pts != AV_NOPTS_VALUE ? packet.pts : packet.dts;
  if (start == AV_NOPTS_VALUE) return;
  const std::int64_t origin_us = format_->start_time == AV_NOPTS_VALUE ? 0 : format_->start_time;
  end_us_ = std::max(end_us_, av_rescale_q(start + packet.duration, base, kMicroseconds) - origin_us);
}

/// Nothing if the file ends where it said.
std::string Demuxer::early_end() const {
  constexpr std::int64_t kToleranceUs = 500000;  // containers round what they promise
  const bool early = packets_ < promised_packets_ || end_us_ + kToleranceUs < promised_end_us_;
  return early ? "the file ends before its stream does" : "";
}

std::optional<std::int64_t> Demuxer::stamp_of(const AVPacket& packet) const noexcept {
  if (packet.pts != AV_NOPTS_VALUE) return packet.pts;
  if (packet.dts != AV_NOPTS_VALUE && stream_->codecpar->video_delay == 0) return packet.dts;
  return std::nullopt;
}

std::int64_t Demuxer::time_us(std::int64_t stamp) noexcept {
  if (!origin_) origin_ = stream_->start_time != AV_NOPTS_VALUE ? stream_->start_time : stamp;
  return av_rescale_q(stamp - *origin_, stream_->time_base, kMicroseconds);
}

int Demuxer::interrupt(void* self) noexcept {
  const auto* demuxer = static_cast<const Demuxer*>(self);
  return demuxer->is_late() || demuxer->is_stopped() ? 1 : 0;
}

}  // namespace edgecore::ffmpeg
