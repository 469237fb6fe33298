// What the stand-in shows: access units decoded by FFmpeg, picture by picture.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

struct AVCodecContext;
struct AVFrame;

namespace stand_in {

/// One decoded picture, 4:2:0, planes without gaps.
struct Shown {
  std::uint32_t width_px = 0, height_px = 0;
  bool is_full_range = false;
  int matrix = 0;  // 1: BT.601, 2: BT.709, 0: the stream does not say; as V4L2_YCBCR_ENC_*
  std::int64_t pts_us = 0;
  bool is_damaged = false;
  std::vector<unsigned char> planes[3];
};

class Film {
 public:
  explicit Film(bool is_h265);
  Film(const Film&) = delete;
  Film& operator=(const Film&) = delete;
  ~Film();

  /// Appends what comes out; size 0: the end.
  void decode(const void* bytes, std::size_t size_bytes, std::int64_t pts_us, std::deque<Shown>& shown);
  /// Another stream begins.
  void rewind();

 private:
  AVCodecContext* codec_ = nullptr;
  AVFrame* frame_ = nullptr;
};

}  // namespace stand_in
