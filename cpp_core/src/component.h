// A frame's colour components one by one, so that nothing else has to know planar from semi-planar.
#pragma once

#include <cstddef>
#include <cstdint>

#include "edgecore/frame.h"
#include "edgecore/status.h"

namespace edgecore {

/// Y, U or V. Sample (x, y) is data[y * stride_bytes + x * step].
struct Component {
  const std::uint8_t* data = nullptr;
  std::ptrdiff_t stride_bytes = 0;
  std::int32_t step = 1;  // 2 inside an interleaved UV plane
  std::int32_t width_px = 0;
  std::int32_t height_px = 0;

  const std::uint8_t* row(std::int32_t y) const noexcept { return data + y * stride_bytes; }
};

/// 1 for gray, else 3.
int component_count(const Frame& frame) noexcept;

/// index: 0 = Y, 1 = U (Cb), 2 = V (Cr); less than component_count(frame).
Component component(const Frame& frame, int index) noexcept;

/// Can the host read every sample the frame claims to have? kUnsupported for another memory than the
/// host's, kInvalidArgument for an empty picture, a missing plane or rows that overlap.
Status check_readable(const Frame& frame);

}  // namespace edgecore
