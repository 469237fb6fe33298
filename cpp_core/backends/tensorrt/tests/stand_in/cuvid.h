// What the stand-in of libnvcuvid makes of a byte stream: pictures, by FFmpeg's decoders.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>

extern "C" {
#include <libavcodec/avcodec.h>
}

#include "abi/nvcuvid.h"

namespace stand_in {

struct FreeFrame {
  void operator()(AVFrame* frame) const noexcept { av_frame_free(&frame); }
};
using FramePointer = std::shared_ptr<AVFrame>;

/// Access units in, pictures out in the order of display; damaged ones, too.
class ByteStream {
 public:
  explicit ByteStream(nvcuvid::Codec codec);
  ~ByteStream();
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;

  /// size 0: the end, behind which another stream may begin. What cannot be decoded is left out in silence, as the
  /// engine's own parser does.
  void push(const unsigned char* bytes, std::size_t size, std::int64_t timestamp);
  FramePointer pop();  // null: none is ready

 private:
  void drain();

  AVCodecContext* context_;
  std::deque<FramePointer> ready_;
};

/// Rows of luma, then as many of chroma pairs as 4:2:0 has, all `pitch` apart.
void write_nv12(const AVFrame& frame, unsigned char* target, std::size_t pitch);

/// What the engine's parser would say of the picture's stream.
nvcuvid::Format describe(const AVFrame& frame, nvcuvid::Codec codec);

}  // namespace stand_in
