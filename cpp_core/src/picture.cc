#include "picture.h"

#include <algorithm>
#include <string>

#include "component.h"
#include "edgecore/preprocess.h"

namespace edgecore {
namespace {

constexpr std::int32_t kMaxSide = 1 << 16;  // beyond every codec of the seam, and far from overflowing any product

template <typename Enum>
bool is_within(Enum value, Enum last) {
  return static_cast<std::int32_t>(value) >= 0 && static_cast<std::int32_t>(value) <= static_cast<std::int32_t>(last);
}

bool is_shift(std::int32_t shift) { return shift == 0 || shift == 1; }

const char* flaw_of(const abi::Picture& picture) {
  if (picture.width_px <= 0 || picture.height_px <= 0) return "it is empty";
  if (picture.width_px > kMaxSide || picture.height_px > kMaxSide) return "it is larger than 65536 pixels a side";
  if (!is_within(picture.layout, PixelLayout::kGray)) return "its pixel layout is unknown";
  if (!is_within(picture.matrix, ColorMatrix::kBt709) || !is_within(picture.range, ColorRange::kFull) ||
      !is_within(picture.siting, ChromaSiting::kCenter)) {
    return "its colour is unknown";
  }
  if (!is_within(picture.place, abi::Place::kDmaBuf)) return "its place is unknown";
  if (!is_shift(picture.chroma_shift_x) || !is_shift(picture.chroma_shift_y)) return "its chroma shift is not 0 or 1";
  if (picture.place == abi::Place::kDmaBuf && picture.dma_fd < 0) return "it is a dma-buf without a descriptor";
  return nullptr;
}

}  // namespace

abi::Picture to_picture(const Frame& frame) noexcept {
  abi::Picture picture;
  for (std::size_t at = 0; at < frame.planes.size(); ++at) {
    picture.planes[at] = const_cast<std::uint8_t*>(frame.planes[at].data);  // the seam's one struct serves both ways
    picture.stride_bytes[at] = frame.planes[at].stride_bytes;
  }
  picture.width_px = frame.width_px;
  picture.height_px = frame.height_px;
  picture.layout = frame.layout;
  picture.chroma_shift_x = frame.chroma_shift_x;
  picture.chroma_shift_y = frame.chroma_shift_y;
  picture.matrix = frame.matrix;
  picture.range = frame.range;
  picture.siting = frame.siting;
  picture.place = frame.place;
  picture.dma_fd = frame.dma_fd;
  picture.pts_us = frame.pts_us;
  return picture;
}

Result<Frame> to_frame(const abi::Picture& picture) {
  if (const char* flaw = flaw_of(picture); flaw != nullptr) {
    return Error{Code::kInternal, std::string("the backend gives a picture that cannot be: ") + flaw, {}};
  }
  Frame frame;
  for (std::size_t at = 0; at < frame.planes.size(); ++at) {
    frame.planes[at] = {static_cast<const std::uint8_t*>(picture.planes[at]), picture.stride_bytes[at]};
  }
  frame.width_px = picture.width_px;
  frame.height_px = picture.height_px;
  frame.layout = picture.layout;
  frame.chroma_shift_x = static_cast<std::uint8_t>(picture.chroma_shift_x);
  frame.chroma_shift_y = static_cast<std::uint8_t>(picture.chroma_shift_y);
  frame.matrix = picture.matrix;
  frame.range = picture.range;
  frame.siting = picture.siting;
  frame.place = picture.place;
  frame.dma_fd = picture.dma_fd;
  frame.pts_us = picture.pts_us;
  if (frame.place != abi::Place::kHost) return frame;
  if (Status readable = check_readable(frame); !readable) return Error{Code::kInternal, readable.error().message, {}};
  return frame;
}

abi::PictureInput to_picture_input(const Frame& frame, const InputDescription& input) {
  const Placement placement = plan_placement(frame.width_px, frame.height_px, input);
  abi::PictureInput wish;
  wish.width_px = input.width_px;
  wish.height_px = input.height_px;
  wish.left_px = placement.offset_x_px;
  wish.top_px = placement.offset_y_px;
  wish.inner_width_px = placement.width_px;
  wish.inner_height_px = placement.height_px;
  wish.is_nhwc = input.layout == Layout::kNhwc ? 1 : 0;
  wish.is_bgr = input.order == ColorOrder::kBgr ? 1 : 0;
  wish.pad = input.pad;
  std::copy(input.mean.begin(), input.mean.end(), wish.mean);
  std::copy(input.scale.begin(), input.scale.end(), wish.scale);
  return wish;
}

}  // namespace edgecore
