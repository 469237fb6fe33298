// Access units of a video file, as a decoder module takes them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace edgecore::v4l2 {

struct Unit {
  std::vector<unsigned char> bytes;  // Annex B
  std::int64_t pts_us = 0;
};

/// Of the first H.264 stream in decoding order, at most `limit`; empty where the file is none.
std::vector<Unit> read_units(const std::string& path, std::size_t limit);

}  // namespace edgecore::v4l2
