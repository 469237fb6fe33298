// Made-up pictures for tests: the same samples on every machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "component.h"
#include "edgecore/frame.h"

namespace edgecore::test {

struct Look {
  PixelLayout layout = PixelLayout::kPlanar;
  std::uint8_t shift_x = 1, shift_y = 1;
  ColorMatrix matrix = ColorMatrix::kBt601;
  ColorRange range = ColorRange::kLimited;
  ChromaSiting siting = ChromaSiting::kLeft;
};

constexpr std::int32_t kPaddingBytes = 5;  // behind each row: must never be read

/// A frame of the given look whose sample (x, y) of component c is sample(c, x, y).
template <typename Sample>
Frame make_frame(std::int32_t width_px, std::int32_t height_px, const Look& look, Sample sample) {
  Frame frame;
  frame.width_px = width_px;
  frame.height_px = height_px;
  frame.layout = look.layout;
  frame.chroma_shift_x = look.shift_x;
  frame.chroma_shift_y = look.shift_y;
  frame.matrix = look.matrix;
  frame.range = look.range;
  frame.siting = look.siting;

  const std::size_t planes = look.layout == PixelLayout::kGray ? 1 : look.layout == PixelLayout::kSemiPlanar ? 2 : 3;
  auto memory = std::make_shared<std::vector<std::vector<std::uint8_t>>>(planes);
  for (std::size_t at = 0; at < planes; ++at) {
    const std::int32_t samples = at == 0 ? width_px : frame.chroma_width_px() * (planes == 2 ? 2 : 1);
    const std::int32_t rows = at == 0 ? height_px : frame.chroma_height_px();
    const std::int32_t stride = samples + kPaddingBytes;
    (*memory)[at].assign(static_cast<std::size_t>(stride) * static_cast<std::size_t>(rows), 0xee);
    frame.planes[at] = {(*memory)[at].data(), stride};
  }
  for (int index = 0; index < component_count(frame); ++index) {
    const Component samples = component(frame, index);
    auto* data = const_cast<std::uint8_t*>(samples.data);  // our own memory, made above
    for (std::int32_t y = 0; y < samples.height_px; ++y) {
      for (std::int32_t x = 0; x < samples.width_px; ++x) {
        data[y * samples.stride_bytes + x * samples.step] = static_cast<std::uint8_t>(sample(index, x, y));
      }
    }
  }
  frame.owner = std::move(memory);
  return frame;
}

inline Frame noise(std::int32_t width_px, std::int32_t height_px, const Look& look, std::uint32_t seed) {
  std::mt19937 random(seed);
  return make_frame(width_px, height_px, look, [&](int, std::int32_t, std::int32_t) { return random() & 0xFF; });
}

/// Slopes with edges in them, within the limited range.
inline Frame landscape(std::int32_t width_px, std::int32_t height_px, const Look& look) {
  return make_frame(width_px, height_px, look, [](int index, std::int32_t x, std::int32_t y) {
    return 16 + (x * (3 + index) + y * (5 - index) + ((x / 7 + y / 5) % 2) * 40) % 220;
  });
}

}  // namespace edgecore::test
