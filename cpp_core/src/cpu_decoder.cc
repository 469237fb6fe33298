// Through libavcodec, 4.3 to 7.1; pixels are never copied.
#include <algorithm>
#include <utility>

#include "ffmpeg_frame.h"
#include "video_decoder.h"

namespace edgecore::ffmpeg {
namespace {

bool is_damaged(const AVFrame& picture) noexcept {
  return picture.decode_error_flags != 0 || (picture.flags & AV_FRAME_FLAG_CORRUPT) != 0;
}

class CpuDecoder final : public VideoDecoder {
 public:
  explicit CpuDecoder(Demuxer& demuxer) : demuxer_(demuxer) {}

  Status open(int threads) {
    const AVCodecParameters* parameters = demuxer_.stream().codecpar;
    const AVCodec* decoder = avcodec_find_decoder(parameters->codec_id);
    if (decoder == nullptr) {
      return Error{Code::kUnsupported,
                   demuxer_.uri() + ": this build has no decoder for " + avcodec_get_name(parameters->codec_id),
                   "encode it as H.264 or H.265"};
    }
    if (parameters->format != AV_PIX_FMT_NONE && !is_supported_pixel_format(parameters->format)) {
      return unsupported_pixels(demuxer_.uri(), parameters->format);
    }
    codec_.reset(avcodec_alloc_context3(decoder));
    avcodec_parameters_to_context(codec_.get(), parameters);
    codec_->pkt_timebase = demuxer_.stream().time_base;
    codec_->thread_count = std::max(threads, 1);
    if (const int rc = avcodec_open2(codec_.get(), decoder, nullptr); rc < 0) {
      return Error{Code::kCorrupt, demuxer_.uri() + ": " + decoder->name + " decoder refused the stream: " + reason(rc),
                   ""};
    }
    return {};
  }

  Status push(AVPacket* packet) override {
    const int rc = avcodec_send_packet(codec_.get(), packet);
    if (rc < 0 && packet != nullptr) return Error{Code::kCorrupt, reason(rc), ""};
    return {};
  }

  Result<std::optional<Picture>> pull() override {
    edgecore::Picture decoded(av_frame_alloc());
    const int rc = avcodec_receive_frame(codec_.get(), decoded.get());
    if (rc == AVERROR(EAGAIN) || rc == AVERROR_EOF) return std::optional<Picture>();
    if (rc < 0) return Error{Code::kCorrupt, reason(rc), ""};
    Picture picture;
    if (is_damaged(*decoded)) picture.damage = last_words("its data is damaged");
    const std::int64_t stamp = decoded->best_effort_timestamp;
    Result<Frame> frame = to_frame(std::move(decoded), demuxer_.uri());
    if (!frame) return frame.error();
    picture.frame = *std::move(frame);
    picture.has_time = demuxer_.has_times() && stamp != AV_NOPTS_VALUE;
    if (picture.has_time) picture.frame.pts_us = demuxer_.time_us(stamp);
    return std::optional<Picture>(std::move(picture));
  }

  std::string describe() const override {
    return std::to_string(codec_->width) + "x" + std::to_string(codec_->height) + " " +
           pixel_format_name(codec_->pix_fmt);
  }

 private:
  Demuxer& demuxer_;
  Codec codec_;
};

}  // namespace

Result<std::unique_ptr<VideoDecoder>> open_cpu_decoder(Demuxer& demuxer, const SourceRequest& request) {
  auto decoder = std::make_unique<CpuDecoder>(demuxer);
  if (Status opened = decoder->open(request.threads); !opened) return opened.error();
  return std::unique_ptr<VideoDecoder>(std::move(decoder));
}

}  // namespace edgecore::ffmpeg
