#include "edgecore/frame.h"

#include <string>

#include "component.h"
#include "fnv1a.h"

namespace edgecore {
namespace {

std::uint64_t fnv1a(std::uint64_t hash, const Component& samples) noexcept {
  for (std::int32_t y = 0; y < samples.height_px; ++y) {
    const std::uint8_t* row = samples.row(y);
    for (std::int32_t x = 0; x < samples.width_px; ++x) hash = edgecore::fnv1a(hash, row[x * samples.step]);
  }
  return hash;
}

Error invalid(const Frame& frame, const std::string& problem) {
  return {Code::kInvalidArgument, "frame " + std::to_string(frame.index) + ": " + problem, ""};
}

}  // namespace

int component_count(const Frame& frame) noexcept { return frame.layout == PixelLayout::kGray ? 1 : 3; }

Component component(const Frame& frame, int index) noexcept {
  const bool interleaved = index > 0 && frame.layout == PixelLayout::kSemiPlanar;
  const Plane& plane = frame.planes[interleaved ? 1U : static_cast<std::size_t>(index)];
  Component samples;
  samples.data = plane.data;
  samples.stride_bytes = plane.stride_bytes;
  samples.width_px = index == 0 ? frame.width_px : frame.chroma_width_px();
  samples.height_px = index == 0 ? frame.height_px : frame.chroma_height_px();
  if (interleaved) {
    samples.step = 2;
    if (plane.data != nullptr) samples.data += index - 1;
  }
  return samples;
}

Status check_readable(const Frame& frame) {
  if (frame.place != abi::Place::kHost) {
    return Error{Code::kUnsupported, "frame " + std::to_string(frame.index) + ": its pixels are not in host memory",
                 "ask the decoder for host frames"};
  }
  if (frame.width_px <= 0 || frame.height_px <= 0) {
    return invalid(frame, "empty picture, " + std::to_string(frame.width_px) + "x" + std::to_string(frame.height_px));
  }
  if (frame.chroma_shift_x > 1 || frame.chroma_shift_y > 1) {
    return invalid(frame, "chroma shift " + std::to_string(frame.chroma_shift_x) + "/" +
                              std::to_string(frame.chroma_shift_y) + ", expected 0 or 1");
  }
  for (int index = 0; index < component_count(frame); ++index) {
    const Component samples = component(frame, index);
    const std::string name(1, "YUV"[index]);
    if (samples.data == nullptr) return invalid(frame, name + " has no data");
    const std::int64_t row_bytes = static_cast<std::int64_t>(samples.width_px) * samples.step;
    if (samples.stride_bytes < row_bytes) {
      return invalid(frame, name + " has a stride of " + std::to_string(samples.stride_bytes) +
                                " bytes, but its rows are " + std::to_string(row_bytes) + " bytes long");
    }
  }
  return {};
}

std::uint64_t digest(const Frame& frame) noexcept {
  std::uint64_t hash = kFnvBasis;
  for (int index = 0; index < component_count(frame); ++index) hash = fnv1a(hash, component(frame, index));
  return hash;
}

Result<Frame> to_host(const Frame& frame) {
  if (frame.place == abi::Place::kHost) return frame;
  if (frame.copier == nullptr) {
    return Error{Code::kUnsupported, "frame " + std::to_string(frame.index) + ": its pixels are not in host memory", ""};
  }
  return frame.copier->to_host(frame);
}

}  // namespace edgecore
