#include <algorithm>
#include <cstring>

#include "cuvid.h"

namespace stand_in {
namespace {

constexpr unsigned kMacroblock = 16;
constexpr unsigned char kDecodeSurfaces = 4;

AVCodecContext* open(nvcuvid::Codec codec) {
  const AVCodec* decoder = avcodec_find_decoder(codec == nvcuvid::kH264 ? AV_CODEC_ID_H264 : AV_CODEC_ID_HEVC);
  AVCodecContext* context = avcodec_alloc_context3(decoder);
  context->pkt_timebase = {1, 1000000};
  avcodec_open2(context, decoder, nullptr);
  return context;
}

unsigned whole_macroblocks(int pixels) { return (static_cast<unsigned>(pixels) + kMacroblock - 1) / kMacroblock * kMacroblock; }

}  // namespace

ByteStream::ByteStream(nvcuvid::Codec codec) : context_(open(codec)) {}

ByteStream::~ByteStream() { avcodec_free_context(&context_); }

void ByteStream::push(const unsigned char* bytes, std::size_t size, std::int64_t timestamp) {
  if (size == 0) {
    avcodec_send_packet(context_, nullptr);
    drain();
    avcodec_flush_buffers(context_);
    return;
  }
  AVPacket* packet = av_packet_alloc();
  av_new_packet(packet, static_cast<int>(size));
  std::memcpy(packet->data, bytes, size);
  packet->pts = timestamp;
  avcodec_send_packet(context_, packet);
  av_packet_free(&packet);
  drain();
}

void ByteStream::drain() {
  while (true) {
    const FramePointer frame(av_frame_alloc(), FreeFrame());
    if (avcodec_receive_frame(context_, frame.get()) < 0) return;
    ready_.push_back(frame);
  }
}

FramePointer ByteStream::pop() {
  if (ready_.empty()) return nullptr;
  const FramePointer frame = ready_.front();
  ready_.pop_front();
  return frame;
}

void write_nv12(const AVFrame& frame, unsigned char* target, std::size_t pitch) {
  for (int y = 0; y < frame.height; ++y, target += pitch) {
    std::memcpy(target, frame.data[0] + std::ptrdiff_t{y} * frame.linesize[0], static_cast<std::size_t>(frame.width));
  }
  for (int y = 0; y < (frame.height + 1) / 2; ++y, target += pitch) {
    const unsigned char* const u = frame.data[1] + std::ptrdiff_t{y} * frame.linesize[1];
    const unsigned char* const v = frame.data[2] + std::ptrdiff_t{y} * frame.linesize[2];
    for (int x = 0; x < (frame.width + 1) / 2; ++x) {
      target[2 * x] = u[x];
      target[2 * x + 1] = v[x];
    }
  }
}

nvcuvid::Format describe(const AVFrame& frame, nvcuvid::Codec codec) {
  const bool is_420 = frame.format == AV_PIX_FMT_YUV420P || frame.format == AV_PIX_FMT_YUVJ420P;
  nvcuvid::Format format{};
  format.codec = codec;
  format.is_progressive = 1;
  format.min_decode_surfaces = kDecodeSurfaces;
  format.coded_width = whole_macroblocks(frame.width);
  format.coded_height = whole_macroblocks(frame.height);
  format.display_area = {0, 0, frame.width, frame.height};
  format.chroma_format = is_420 ? nvcuvid::k420 : static_cast<nvcuvid::ChromaFormat>(2);  // 4:2:2, or what is none of ours
  const bool is_full = frame.color_range == AVCOL_RANGE_JPEG || frame.format == AV_PIX_FMT_YUVJ420P;
  format.signal_flags = is_full ? 8 : 0;
  format.matrix_coefficients = static_cast<unsigned char>(frame.colorspace);  // both are ITU-T H.273's numbers
  return format;
}

}  // namespace stand_in
