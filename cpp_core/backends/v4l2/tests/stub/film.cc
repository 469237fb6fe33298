#include "film.h"

extern "C" {
#include <libavcodec/avcodec.h>
}

#include <cstring>

namespace stand_in {

Film::Film(bool is_h265) : frame_(av_frame_alloc()) {
  const AVCodec* codec = avcodec_find_decoder(is_h265 ? AV_CODEC_ID_HEVC : AV_CODEC_ID_H264);
  codec_ = avcodec_alloc_context3(codec);
  codec_->thread_count = 1;
  avcodec_open2(codec_, codec, nullptr);
}

Film::~Film() {
  av_frame_free(&frame_);
  avcodec_free_context(&codec_);
}

void Film::rewind() { avcodec_flush_buffers(codec_); }

void Film::decode(const void* bytes, std::size_t size_bytes, std::int64_t pts_us, std::deque<Shown>& shown) {
  AVPacket* packet = av_packet_alloc();
  if (size_bytes != 0 && av_new_packet(packet, static_cast<int>(size_bytes)) == 0) {
    std::memcpy(packet->data, bytes, size_bytes);
    packet->pts = pts_us;
  }
  avcodec_send_packet(codec_, size_bytes == 0 ? nullptr : packet);
  av_packet_free(&packet);
  while (avcodec_receive_frame(codec_, frame_) == 0) {
    Shown one;
    one.width_px = static_cast<std::uint32_t>(frame_->width);
    one.height_px = static_cast<std::uint32_t>(frame_->height);
    one.is_full_range = frame_->color_range == AVCOL_RANGE_JPEG;
    one.matrix = frame_->colorspace == AVCOL_SPC_BT709                                                        ? 2
                 : frame_->colorspace == AVCOL_SPC_BT470BG || frame_->colorspace == AVCOL_SPC_SMPTE170M ? 1
                                                                                                         : 0;
    one.pts_us = frame_->pts;
    one.is_damaged = frame_->decode_error_flags != 0;
    for (int plane = 0; plane < 3; ++plane) {
      const std::size_t width = plane == 0 ? one.width_px : (one.width_px + 1) / 2;
      const std::size_t height = plane == 0 ? one.height_px : (one.height_px + 1) / 2;
      one.planes[plane].resize(width * height);
      for (std::size_t row = 0; row < height; ++row) {
        const auto stride = static_cast<std::ptrdiff_t>(frame_->linesize[plane]);
        std::memcpy(&one.planes[plane][row * width], frame_->data[plane] + static_cast<std::ptrdiff_t>(row) * stride, width);
      }
    }
    shown.push_back(std::move(one));
  }
}

}  // namespace stand_in
