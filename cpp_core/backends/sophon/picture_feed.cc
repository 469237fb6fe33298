#include "picture_feed.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "edgecore/module.h"
#include "planes.h"

namespace edgecore::sophon {
namespace {

using abi::Code;
using abi::Picture;
using abi::PictureInput;
using abi::PixelLayout;
using module::fail;

constexpr std::int32_t kRowAlignment = 64;
constexpr std::uintptr_t kAddressAlignment = 32;
constexpr std::int32_t kLeastSide = 16;
constexpr std::int32_t kMostSide = 4096;
constexpr std::int32_t kMostModelSide = 2048;  // of bmcv_image_convert_to
constexpr std::int32_t kMostScale = 32;
constexpr unsigned char kNoColor = 128;

std::int32_t aligned(std::int32_t row_bytes) noexcept {
  return (row_bytes + kRowAlignment - 1) / kRowAlignment * kRowAlignment;
}

bool within(std::int32_t value, std::int32_t low, std::int32_t high) noexcept { return value >= low && value <= high; }

bool scales(std::int32_t from, std::int32_t to) noexcept {
  return std::int64_t{from} * kMostScale >= to && std::int64_t{to} * kMostScale >= from;
}

bool is_full_chroma(const Picture& picture) noexcept {
  return picture.layout == PixelLayout::kPlanar && picture.chroma_shift_x == 0 && picture.chroma_shift_y == 0;
}

bm::ImageFormat format_of(const Picture& picture) noexcept {
  if (picture.layout == PixelLayout::kSemiPlanar) return bm::kNv12;
  return is_full_chroma(picture) ? bm::kYuv444Planar : bm::kYuv420Planar;
}

/// VPP takes chroma rows of I420 at half the alignment: they are half as long.
std::int32_t row_alignment(const Picture& picture, int plane) noexcept {
  return plane > 0 && format_of(picture) == bm::kYuv420Planar ? kRowAlignment / 2 : kRowAlignment;
}

bm::ColorConversion conversion_of(const Picture& picture) noexcept {
  const bool is_full = picture.range == abi::ColorRange::kFull;
  if (picture.matrix == abi::ColorMatrix::kBt709) return is_full ? bm::kFullBt709ToRgb : bm::kLimitedBt709ToRgb;
  return is_full ? bm::kFullBt601ToRgb : bm::kLimitedBt601ToRgb;
}

Code check_wish(const PictureInput& wish, abi::Error* error) noexcept {
  const bool is_inside = within(wish.inner_width_px, 1, wish.width_px) && within(wish.left_px, 0, wish.width_px) &&
                         within(wish.inner_height_px, 1, wish.height_px) && within(wish.top_px, 0, wish.height_px) &&
                         wish.left_px <= wish.width_px - wish.inner_width_px &&
                         wish.top_px <= wish.height_px - wish.inner_height_px;
  if (!is_inside) {
    return fail(error, Code::kInvalidArgument, "model input %dx%d: the picture's place %dx%d at %d,%d is not inside",
                wish.width_px, wish.height_px, wish.inner_width_px, wish.inner_height_px, wish.left_px, wish.top_px);
  }
  if (wish.is_nhwc != 0) return fail(error, Code::kUnsupported, "the TPU makes NCHW inputs alone");
  if (!within(wish.width_px, kLeastSide, kMostModelSide) || !within(wish.height_px, kLeastSide, kMostModelSide) ||
      wish.inner_width_px < kLeastSide || wish.inner_height_px < kLeastSide) {
    return fail(error, Code::kUnsupported, "VPP and TPU make %dx%d to %dx%d, not %dx%d in %dx%d", kLeastSide,
                kLeastSide, kMostModelSide, kMostModelSide, wish.inner_width_px, wish.inner_height_px, wish.width_px,
                wish.height_px);
  }
  return Code::kOk;
}

bm::Image shape_of(const PictureInput& wish, bm::ImageType type) noexcept {
  return {wish.width_px, wish.height_px, wish.is_bgr != 0 ? bm::kBgrPlanar : bm::kRgbPlanar, type, nullptr};
}

bm::Padding padding_of(const PictureInput& wish) noexcept {
  const auto pad = static_cast<std::uint8_t>(wish.pad);
  const bool has_bars = wish.inner_width_px < wish.width_px || wish.inner_height_px < wish.height_px;
  return {static_cast<unsigned>(wish.left_px),        static_cast<unsigned>(wish.top_px),
          static_cast<unsigned>(wish.inner_width_px), static_cast<unsigned>(wish.inner_height_px),
          pad, pad, pad, has_bars ? 1 : 0};
}

bm::Linear linear_of(const PictureInput& wish) noexcept {
  const auto beta = [&](int channel) { return -wish.mean[channel] * wish.scale[channel]; };
  return {wish.scale[0], beta(0), wish.scale[1], beta(1), wish.scale[2], beta(2)};
}

}  // namespace

Code check_picture(const Picture& picture, const PictureInput& wish, abi::Error* error) noexcept {
  if (Code code = check_wish(wish, error); code != Code::kOk) return code;
  if (picture.place == abi::Place::kDmaBuf) return fail(error, Code::kUnsupported, "the picture is in a dma-buf");
  const bool is_halved = picture.chroma_shift_x == 1 && picture.chroma_shift_y == 1;
  if (picture.layout != PixelLayout::kGray && !is_halved && !is_full_chroma(picture)) {
    return fail(error, Code::kUnsupported, "VPP takes chroma of 4:2:0 and planar 4:4:4, not of shifts %d and %d",
                picture.chroma_shift_x, picture.chroma_shift_y);
  }
  if (!within(picture.width_px, kLeastSide, kMostSide) || !within(picture.height_px, kLeastSide, kMostSide)) {
    return fail(error, Code::kUnsupported, "VPP takes pictures of %dx%d to %dx%d, not of %dx%d", kLeastSide, kLeastSide,
                kMostSide, kMostSide, picture.width_px, picture.height_px);
  }
  if (!is_full_chroma(picture) && (picture.width_px % 2 != 0 || picture.height_px % 2 != 0)) {
    return fail(error, Code::kUnsupported, "VPP takes pictures of even sizes, not of %dx%d", picture.width_px,
                picture.height_px);
  }
  if (!scales(picture.width_px, wish.inner_width_px) || !scales(picture.height_px, wish.inner_height_px)) {
    return fail(error, Code::kUnsupported, "VPP scales up to %d times, not %dx%d to %dx%d", kMostScale,
                picture.width_px, picture.height_px, wish.inner_width_px, wish.inner_height_px);
  }
  for (int plane = 0; plane < plane_count(picture); ++plane) {
    const std::int32_t stride_bytes = picture.stride_bytes[plane];
    if (picture.planes[plane] == nullptr || stride_bytes < plane_size(picture, plane).row_bytes) {
      return fail(error, Code::kInvalidArgument, "the picture's plane %d: %d bytes between rows, expected %d or more",
                  plane, picture.planes[plane] == nullptr ? 0 : stride_bytes, plane_size(picture, plane).row_bytes);
    }
    if (picture.place != abi::Place::kDevice) continue;
    if (stride_bytes % row_alignment(picture, plane) != 0 ||
        reinterpret_cast<std::uintptr_t>(picture.planes[plane]) % kAddressAlignment != 0) {
      return fail(error, Code::kUnsupported, "VPP reads rows that are multiples of %d bytes apart, plane %d has %d",
                  row_alignment(picture, plane), plane, stride_bytes);
    }
  }
  return Code::kOk;
}

Code PictureFeed::upload(const Libraries& libraries, const Device& device, const Picture& from, Picture& to,
                         abi::CopyCounts& copies, abi::Error* error) noexcept {
  to = from;
  to.place = abi::Place::kDevice;
  std::size_t offsets[3] = {};
  std::size_t total = 0;
  for (int plane = 0; plane < plane_count(from); ++plane) {
    const PlaneSize size = plane_size(from, plane);
    to.stride_bytes[plane] = aligned(size.row_bytes);
    offsets[plane] = total;
    total += static_cast<std::size_t>(to.stride_bytes[plane]) * static_cast<std::size_t>(size.rows);
  }
  if (Code code = staged_.reserve(libraries, device, total, error); code != Code::kOk) return code;
  std::vector<char> rows(total);
  for (int plane = 0; plane < plane_count(from); ++plane) {
    const PlaneSize size = plane_size(from, plane);
    to.planes[plane] = reinterpret_cast<void*>(staged_.memory().address + offsets[plane]);
    for (std::int32_t y = 0; y < size.rows; ++y) {
      std::memcpy(rows.data() + offsets[plane] + std::ptrdiff_t{y} * to.stride_bytes[plane],
                  static_cast<const char*>(from.planes[plane]) + std::ptrdiff_t{y} * from.stride_bytes[plane],
                  static_cast<std::size_t>(size.row_bytes));
    }
  }
  ++copies.to_device;
  copies.to_device_bytes += total;
  return check(libraries.lib.bm_memcpy_s2d_partial(device.handle(), staged_.memory(), rows.data(),
                                                   static_cast<unsigned>(total)),
               "bm_memcpy_s2d_partial", error);
}

Code PictureFeed::add_chroma(const Libraries& libraries, const Device& device, Picture& picture,
                             abi::Error* error) noexcept {
  picture.layout = PixelLayout::kSemiPlanar;
  picture.chroma_shift_x = picture.chroma_shift_y = 1;
  picture.stride_bytes[1] = aligned(picture.width_px);
  const std::size_t size_bytes =
      static_cast<std::size_t>(picture.stride_bytes[1]) * static_cast<std::size_t>(picture.height_px / 2);
  const std::size_t had_bytes = neutral_.memory().size_bytes;
  if (Code code = neutral_.reserve(libraries, device, size_bytes, error); code != Code::kOk) return code;
  picture.planes[1] = reinterpret_cast<void*>(neutral_.memory().address);
  if (size_bytes <= had_bytes) return Code::kOk;
  // Once for all pictures of the size: it is none of theirs that is copied.
  std::vector<unsigned char> samples(size_bytes, kNoColor);
  const Code code = check(libraries.lib.bm_memcpy_s2d_partial(device.handle(), neutral_.memory(), samples.data(),
                                                              static_cast<unsigned>(size_bytes)),
                          "bm_memcpy_s2d_partial", error);
  if (code != Code::kOk) neutral_.free();
  return code;
}

Code PictureFeed::scale(const ImageLibrary& library, const Libraries& libraries, const Device& device,
                        const Picture& picture, const PictureInput& wish, Image& levels, abi::Error* error) noexcept {
  int strides[3] = {};
  bm::DeviceMemory planes[3] = {};
  for (int plane = 0; plane < plane_count(picture); ++plane) {
    strides[plane] = picture.stride_bytes[plane];
    planes[plane] = bm::memory_at(reinterpret_cast<std::uintptr_t>(picture.planes[plane]),
                                  static_cast<std::uint32_t>(strides[plane] * plane_size(picture, plane).rows));
  }
  Image whole;
  const bm::Image given{picture.width_px, picture.height_px, format_of(picture), bm::kImageByte, nullptr};
  if (Code code = whole.create(library, device.handle(), given, strides, planes, error); code != Code::kOk) return code;

  int row_bytes = aligned(wish.width_px);
  const std::size_t size_bytes = 3 * static_cast<std::size_t>(row_bytes) * static_cast<std::size_t>(wish.height_px);
  if (Code code = levels_.reserve(libraries, device, size_bytes, error); code != Code::kOk) return code;
  bm::DeviceMemory memory = levels_.memory();
  memory.size_bytes = static_cast<std::uint32_t>(size_bytes);
  if (Code code = levels.create(library, device.handle(), shape_of(wish, bm::kImageByte), &row_bytes, &memory, error);
      code != Code::kOk) {
    return code;
  }
  bm::Padding padding = padding_of(wish);
  return check(library.api.bmcv_image_vpp_basic(device.handle(), 1, whole.raw(), levels.raw(), nullptr, nullptr,
                                                &padding, bm::kLinear, conversion_of(picture), nullptr),
               "bmcv_image_vpp_basic", error);
}

Code PictureFeed::prepare(const ImageLibrary& library, const Libraries& libraries, const Device& device,
                          const Picture& picture, const PictureInput& wish, const bm::DeviceMemory& target,
                          abi::CopyCounts& copies, abi::Error* error) noexcept {
  if (Code code = check_picture(picture, wish, error); code != Code::kOk) return code;
  Picture source = picture;
  if (picture.place == abi::Place::kHost) {
    if (Code code = upload(libraries, device, picture, source, copies, error); code != Code::kOk) return code;
  }
  if (source.layout == PixelLayout::kGray) {
    if (Code code = add_chroma(libraries, device, source, error); code != Code::kOk) return code;
  }
  Image levels;
  if (Code code = scale(library, libraries, device, source, wish, levels, error); code != Code::kOk) return code;
  Image input;
  bm::DeviceMemory numbers = target;
  if (Code code = input.create(library, device.handle(), shape_of(wish, bm::kImageFloat32), nullptr, &numbers, error);
      code != Code::kOk) {
    return code;
  }
  return check(library.api.bmcv_image_convert_to(device.handle(), 1, linear_of(wish), levels.raw(), input.raw()),
               "bmcv_image_convert_to", error);
}

}  // namespace edgecore::sophon
