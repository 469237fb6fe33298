// H.264 that a test writes itself: square pictures of one level, each for itself (I_PCM macroblocks), raw or in FLV. With
// each picture goes a text that decoders pass over. Syntax: ITU-T H.264 7.3; Adobe Flash Video File Format 10.1, annex E.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace edgecore::test {

class Bits {
 public:
  Bits& u(int count, unsigned value) {
    for (int bit = count - 1; bit >= 0; --bit) put((value >> bit & 1U) != 0);
    return *this;
  }
  Bits& ue(unsigned value) {
    int length = 0;
    while (((value + 1) >> (length + 1)) != 0) ++length;
    return u(length, 0).u(length + 1, value + 1);
  }
  Bits& align() {
    while (count_ % 8 != 0) put(false);
    return *this;
  }
  /// With the stop bit, as a NAL unit of this type: 00 00 is never followed by less than 4.
  std::string nal(char header) {
    put(true);
    align();
    std::string unit(1, header);
    int zeros = 0;
    for (const char byte : bytes_) {
      if (zeros >= 2 && static_cast<unsigned char>(byte) < 4) {
        unit += '\x03';
        zeros = 0;
      }
      unit += byte;
      zeros = byte == 0 ? zeros + 1 : 0;
    }
    return unit;
  }

 private:
  void put(bool bit) {
    if (count_ % 8 == 0) bytes_ += '\0';
    if (bit) bytes_.back() = static_cast<char>(static_cast<unsigned char>(bytes_.back()) | 0x80U >> (count_ % 8));
    ++count_;
  }
  std::string bytes_;
  std::size_t count_ = 0;
};

struct H264Picture {
  int side_px = 16;  // 16 or 32
  int level = 100;
  std::string words;  // for FakeVideo
  int time_ms = 0;    // in FLV alone
};

inline std::string h264_sps(int side_px) {
  const auto blocks = static_cast<unsigned>(side_px / 16);
  Bits bits;
  bits.u(8, 66).u(8, 0xC0).u(8, 10);  // constrained baseline, level 1
  bits.ue(0).ue(0).ue(2).ue(1).u(1, 0).ue(blocks - 1).ue(blocks - 1).u(1, 1).u(1, 0).u(1, 0).u(1, 0);
  return bits.nal('\x67');
}

inline std::string h264_pps() {
  return Bits().ue(0).ue(0).u(1, 0).u(1, 0).ue(0).ue(0).ue(0).u(1, 0).u(2, 0).ue(0).ue(0).ue(0).u(3, 0).nal('\x68');
}

/// The text in a message that decoders pass over (user data), then one intra picture. `number` tells neighbours apart.
inline std::vector<std::string> h264_units(const H264Picture& picture, int number) {
  const std::string text = "fake:" + std::to_string(picture.side_px) + " " + std::to_string(picture.level) + " " + picture.words + ";";
  Bits message;
  message.u(8, 5).u(8, static_cast<unsigned>(16 + text.size()));
  for (const char letter : "sixteen letters!" + text) message.u(8, static_cast<unsigned char>(letter));
  Bits slice;
  slice.ue(0).ue(7).ue(0).u(4, 0).ue(static_cast<unsigned>(number % 2)).u(1, 0).u(1, 0).ue(0);
  const int blocks = (picture.side_px / 16) * (picture.side_px / 16);
  for (int block = 0; block < blocks; ++block) {
    slice.ue(25).align();  // I_PCM
    for (int sample = 0; sample < 256; ++sample) slice.u(8, static_cast<unsigned>(picture.level));
    for (int sample = 0; sample < 128; ++sample) slice.u(8, 128);
  }
  return {message.nal('\x06'), slice.nal('\x65')};
}

/// A byte stream, without times.
inline std::string h264_raw(const std::vector<H264Picture>& pictures) {
  const std::string start("\0\0\0\1", 4);
  std::string stream;
  int number = 0;
  for (const H264Picture& picture : pictures) {
    stream += start + h264_sps(picture.side_px) + start + h264_pps();
    for (const std::string& unit : h264_units(picture, number++)) stream += start + unit;
  }
  return stream;
}

inline std::string big_endian(std::size_t value, int bytes) {
  std::string text;
  for (int at = bytes - 1; at >= 0; --at) text += static_cast<char>(value >> (8 * at) & 0xFF);
  return text;
}

/// In a container: with times, and parameter sets apart from the pictures, anew where the size changes.
inline std::string h264_flv(const std::vector<H264Picture>& pictures) {
  std::string file("FLV\x01\x01\0\0\0\x09\0\0\0\0", 13);
  const auto tag = [&](std::size_t time_ms, char packet_type, const std::string& content) {
    const std::string body = std::string("\x17") + packet_type + std::string(3, '\0') + content;
    file += '\x09' + big_endian(body.size(), 3) + big_endian(time_ms, 3) + std::string(4, '\0') + body;
    file += big_endian(body.size() + 11, 4);
  };
  int side_px = 0;
  int number = 0;
  for (const H264Picture& picture : pictures) {
    const auto time_ms = static_cast<std::size_t>(picture.time_ms);
    if (std::exchange(side_px, picture.side_px) != picture.side_px) {
      const std::string sps = h264_sps(side_px);
      const std::string pps = h264_pps();
      tag(time_ms, '\0', "\x01" + sps.substr(1, 3) + "\xFF\xE1" + big_endian(sps.size(), 2) + sps + "\x01" +
                             big_endian(pps.size(), 2) + pps);
    }
    std::string content;
    for (const std::string& unit : h264_units(picture, number++)) content += big_endian(unit.size(), 4) + unit;
    tag(time_ms, '\1', content);
  }
  return file;
}

}  // namespace edgecore::test
