// One decoded picture, in the decoder's own pixel layout: nothing in the core makes an RGB copy.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "edgecore/abi.h"
#include "edgecore/status.h"

namespace edgecore {

/// Planar: Y, U, V planes. Semi-planar (NV12): Y plane, then interleaved UV.
/// kGray has one plane. The subsampling of chroma is in Frame, not in the enum.
using PixelLayout = abi::PixelLayout;
using ColorMatrix = abi::ColorMatrix;
using ColorRange = abi::ColorRange;
/// Horizontal place of a chroma sample: H.264/H.265/MPEG-2 put it on the left luma sample, JPEG
/// between the two. Source: ITU-T H.264 Annex E (chroma_sample_loc_type 0), JFIF 1.02.
using ChromaSiting = abi::ChromaSiting;

struct Frame;

/// Brings pictures that the host cannot read into its memory.
class HostCopier {
 public:
  virtual ~HostCopier() = default;
  virtual Result<Frame> to_host(const Frame& frame) const = 0;
};

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
  abi::Place place = abi::Place::kHost;  // elsewhere the planes may not be dereferenced; see to_host()
  std::int32_t dma_fd = -1;              // only for kDmaBuf
  std::int64_t index = 0;   // position in the stream, from 0, counting skipped frames too
  std::int64_t pts_us = 0;  // presentation time, microseconds from the stream's start
  std::shared_ptr<const void> owner;  // keeps the planes alive
  std::shared_ptr<const HostCopier> copier;  // of whoever made the frame; null for host frames

  /// Chroma plane size, rounded up as the codecs do.
  std::int32_t chroma_width_px() const noexcept { return (width_px + (1 << chroma_shift_x) - 1) >> chroma_shift_x; }
  std::int32_t chroma_height_px() const noexcept { return (height_px + (1 << chroma_shift_y) - 1) >> chroma_shift_y; }
};

/// 64-bit FNV-1a over the visible samples, plane after plane without padding: equal digests mean equal pictures.
/// Of a frame in host memory.
std::uint64_t digest(const Frame& frame) noexcept;

/// The frame itself where the host can read it, else a copy made by its copier; kUnsupported where it has none.
Result<Frame> to_host(const Frame& frame);

}  // namespace edgecore
