// Owners of FFmpeg's objects, and its words: its error log says what its error codes don't ("moov atom not found").
#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavcodec/bsf.h>
#include <libavformat/avformat.h>
}

#include <memory>
#include <string>

namespace edgecore::ffmpeg {

struct CloseFormat {
  void operator()(AVFormatContext* format) const noexcept { avformat_close_input(&format); }
};
struct FreeCodec {
  void operator()(AVCodecContext* codec) const noexcept { avcodec_free_context(&codec); }
};
struct FreePacket {
  void operator()(AVPacket* packet) const noexcept { av_packet_free(&packet); }
};
struct FreeFilter {
  void operator()(AVBSFContext* filter) const noexcept { av_bsf_free(&filter); }
};
using Format = std::unique_ptr<AVFormatContext, CloseFormat>;
using Codec = std::unique_ptr<AVCodecContext, FreeCodec>;
using Packet = std::unique_ptr<AVPacket, FreePacket>;
using Filter = std::unique_ptr<AVBSFContext, FreeFilter>;

/// FFmpeg's log goes nowhere but into our errors.
void silence_log();

/// Nothing said before counts for what fails from here on, in this thread.
void clear_log() noexcept;

/// What FFmpeg said since, or `otherwise`.
std::string last_words(const std::string& otherwise);

/// What FFmpeg said since, or what the code means.
std::string reason(int rc);

}  // namespace edgecore::ffmpeg
