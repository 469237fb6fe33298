// What the stand-in for the VPU's library takes for an access unit: this, then NV12 without padding.
#pragma once

#include <cstdint>

namespace stub {

struct PacketHeader {
  std::uint16_t width;
  std::uint16_t height;
  std::uint8_t bits;
  std::uint8_t matrix;  // of bm::FrameColors
  std::uint8_t range;
  std::uint8_t unused;
};
static_assert(sizeof(PacketHeader) == 8);

}  // namespace stub
