// What makes pictures of a demuxer's packets: FFmpeg's own decoders on the CPU, or a backend module's hardware.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "edgecore/frame.h"
#include "edgecore/source.h"
#include "edgecore/status.h"
#include "ffmpeg_demuxer.h"

namespace edgecore::ffmpeg {

class VideoDecoder {
 public:
  struct Picture {
    Frame frame;           // but for its index
    bool has_time = true;  // else the stream gave none, and pts_us is the caller's to set, too
    std::string damage;    // what is wrong with the samples
  };

  virtual ~VideoDecoder() = default;
  /// packet: whose content may be taken; nullptr at the end. kCorrupt, in few words, for a packet that is damaged: the
  /// next ones may be pushed. Behind any other error, which names the stream, nothing more is.
  virtual Status push(AVPacket* packet) = 0;
  /// In the order of display. nullopt: push more; behind the end: that was all. Errors as push() has them.
  virtual Result<std::optional<Picture>> pull() = 0;
  virtual std::string describe() const = 0;  // "640x272 yuv420p"
};

/// The demuxer outlives the decoder, and gives it every packet that it read.
Result<std::unique_ptr<VideoDecoder>> open_cpu_decoder(Demuxer& demuxer, const SourceRequest& request);

/// request.decoder's. kUnsupported for a codec, or a kind of it, that it cannot decode.
Result<std::unique_ptr<VideoDecoder>> open_module_decoder(Demuxer& demuxer, const SourceRequest& request);

}  // namespace edgecore::ffmpeg
