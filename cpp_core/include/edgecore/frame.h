// One decoded picture, in the decoder's own pixel layout: nothing in the core makes an RGB copy.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "edgecore/abi.h"

namespace edgecore {

/// Planar: Y, U, V planes. Semi-planar (NV12): Y plane, then interleaved UV.
/// kGray has one plane. The subsampling of chroma is in Frame, not in the enum.
enum class PixelLayout : std::uint8_t { kPlanar, kSemiPlanar, kGray };
enum class ColorMatrix : std::uint8_t { kBt601, kBt709 };
enum class ColorRange : std::uint8_t { kLimited, kFull };
/// Horizontal place of a chroma sample: H.264/H.265/MPEG-2 put it on the left luma sample, JPEG
/// between the two. Source: ITU-T H.264 Annex E (chroma_sample_loc_type 0), JFIF 1.02.
enum class ChromaSiting : std::uint8_t { kLeft, kCenter };

struct Plane {
  const std::uint8_t* data = nullptr;
  std::int32_t stride_bytes = 0;  // distance between rows; may exceed the row's bytes
};

/// 8 bits a sample. Cheap to copy: the pixels are shared through `owner`.
struct Frame {
  std::array<Plane, 3> planes{};
  std::int32_t width_px = 0;
  std::int32_t height_px = 0;
  PixelLayout layout = PixelLayout::kPlanar;
  std::uint8_t chroma_shift_x = 1;  // log2 of horizontal subsampling: 4:2:0 is 1/1, 4:4:4 is 0/0
  std::uint8_t chroma_shift_y = 1;
  ColorMatrix matrix = ColorMatrix::kBt601;
  ColorRange range = ColorRange::kLimited;
  ChromaSiting siting = ChromaSiting::kLeft;
  abi::Place place = abi::Place::kHost;
  std::int64_t index = 0;   // position in the stream, from 0, counting skipped frames too
  std::int64_t pts_us = 0;  // presentation time, microseconds from the stream's start
  std::shared_ptr<const void> owner;  // keeps the planes alive

  /// Chroma plane size, rounded up as the codecs do.
  std::int32_t chroma_width_px() const noexcept { return (width_px + (1 << chroma_shift_x) - 1) >> chroma_shift_x; }
  std::int32_t chroma_height_px() const noexcept { return (height_px + (1 << chroma_shift_y) - 1) >> chroma_shift_y; }
};

/// 64-bit FNV-1a over the visible samples, plane after plane without padding: equal digests mean equal pictures.
std::uint64_t digest(const Frame& frame) noexcept;

}  // namespace edgecore
