#include "jpeg_header.h"

#include <cstring>

namespace edgecore {
namespace {

// Markers: ITU-T T.81, table B.1.
constexpr std::uint8_t kStartOfImage = 0xD8;
constexpr std::uint8_t kStartOfScan = 0xDA;
constexpr std::uint8_t kApp0 = 0xE0;
constexpr std::uint8_t kApp14 = 0xEE;

bool is_frame_header(std::uint8_t marker) noexcept {  // SOF0..SOF15 without DHT, JPG and DAC
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

struct Seen {
  bool jfif = false;
  int adobe_transform = -1;  // none, or Adobe's: 0 is RGB or CMYK, 1 YCbCr, 2 YCCK
};

JpegColor judge(const Seen& seen, const std::uint8_t* frame, std::size_t size) noexcept {
  constexpr std::size_t kFixed = 6;  // precision, height, width, number of components
  if (size < kFixed) return JpegColor::kNoJpeg;
  const std::size_t components = frame[5];
  if (size < kFixed + 3 * components) return JpegColor::kNoJpeg;
  if (components == 1) return JpegColor::kYcbcrOrGray;
  if (components != 3) return JpegColor::kOther;
  if (seen.jfif) return JpegColor::kYcbcrOrGray;
  if (seen.adobe_transform >= 0) return seen.adobe_transform == 1 ? JpegColor::kYcbcrOrGray : JpegColor::kOther;
  const std::uint8_t* names = frame + kFixed;
  const bool is_rgb = names[0] == 'R' && names[3] == 'G' && names[6] == 'B';
  return is_rgb ? JpegColor::kOther : JpegColor::kYcbcrOrGray;
}

}  // namespace

JpegColor jpeg_color(const std::uint8_t* bytes, std::size_t size) noexcept {
  if (size < 4 || bytes[0] != 0xFF || bytes[1] != kStartOfImage) return JpegColor::kNoJpeg;
  Seen seen;
  for (std::size_t at = 2; at + 4 <= size;) {
    if (bytes[at] != 0xFF) return JpegColor::kNoJpeg;
    const std::uint8_t marker = bytes[at + 1];
    if (marker == 0xFF) {  // fill
      ++at;
      continue;
    }
    const std::size_t length = static_cast<std::size_t>(bytes[at + 2]) << 8 | bytes[at + 3];  // counts itself
    const std::uint8_t* content = bytes + at + 4;
    if (length < 2 || length - 2 > size - at - 4 || marker == kStartOfScan) return JpegColor::kNoJpeg;
    const std::size_t content_size = length - 2;
    if (is_frame_header(marker)) return judge(seen, content, content_size);
    if (marker == kApp0 && content_size >= 5 && std::memcmp(content, "JFIF", 5) == 0) seen.jfif = true;
    if (marker == kApp14 && content_size >= 12 && std::memcmp(content, "Adobe", 5) == 0) {
      seen.adobe_transform = content[11];
    }
    at += 2 + length;
  }
  return JpegColor::kNoJpeg;
}

}  // namespace edgecore
