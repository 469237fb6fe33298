#include "picture_plan.h"

#include <algorithm>

#include "edgecore/module.h"

namespace edgecore::tensorrt {
namespace {

using abi::Code;
using abi::Error;
using abi::Picture;
using abi::PictureInput;
using abi::PixelLayout;
using module::fail;

constexpr int kWeightBits = 14;
constexpr int kGainBits = 13;
constexpr std::int32_t kMaxSide = 65536;  // a tap is 16 bits of sample and 14 of weight

/// One axis of one component, as plan_taps() of the core's preprocess.cc has it: position of each pixel's centre in
/// 1/16384 sample, rounded half up, clamped to the samples.
void plan_axis(std::int32_t pixels, std::int32_t luma_samples, std::int32_t samples, int shift, bool between,
               std::uint32_t* positions) noexcept {
  const std::int64_t unit = std::int64_t{1} << kWeightBits;
  const std::int64_t divisor = static_cast<std::int64_t>(2 * pixels) << shift;
  const std::int64_t last = static_cast<std::int64_t>(samples - 1) * unit;
  for (std::int64_t at = 0; at < pixels; ++at) {
    const std::int64_t dividend = (2 * at + 1) * luma_samples - pixels - (between ? pixels : 0);
    const std::int64_t rounded = (std::max<std::int64_t>(dividend, 0) * unit * 2 + divisor) / (2 * divisor);
    positions[at] = static_cast<std::uint32_t>(std::min(rounded, last));
  }
}

struct Gains {
  double luma, red_v, green_u, green_v, blue_u;
  int black;
};

/// From Kr and Kb of ITU-R BT.601-7 and BT.709-6, and the quantisation of BT.601-7 (limited) or JFIF 1.02 (full).
constexpr Gains gains(abi::ColorMatrix matrix, abi::ColorRange range) noexcept {
  const double red = matrix == abi::ColorMatrix::kBt601 ? 0.299 : 0.2126;
  const double blue = matrix == abi::ColorMatrix::kBt601 ? 0.114 : 0.0722;
  const double green = 1.0 - red - blue;
  const bool limited = range == abi::ColorRange::kLimited;
  const double chroma = 255.0 / (limited ? 224.0 : 255.0);
  const double red_v = 2.0 * (1.0 - red) * chroma;
  const double blue_u = 2.0 * (1.0 - blue) * chroma;
  return {255.0 / (limited ? 219.0 : 255.0), red_v, -blue_u * blue / green, -red_v * red / green, blue_u,
          limited ? 16 : 0};
}

constexpr int to_fixed(double gain) noexcept {
  return static_cast<int>(gain * (1 << kGainBits) + (gain < 0 ? -0.5 : 0.5));
}

bool within(std::int32_t value, std::int32_t low, std::int32_t high) noexcept { return value >= low && value <= high; }

}  // namespace

Code check_picture(const Picture& picture, Error* error) noexcept {
  if (picture.place != abi::Place::kHost && picture.place != abi::Place::kDevice) {
    return fail(error, Code::kUnsupported, "the picture is in a dma-buf, which is to be mapped first");
  }
  if (!within(picture.width_px, 1, kMaxSide) || !within(picture.height_px, 1, kMaxSide)) {
    return fail(error, Code::kUnsupported, "the picture is %dx%d; 1x1 to %dx%d are handled", picture.width_px,
                picture.height_px, kMaxSide, kMaxSide);
  }
  if (!within(picture.chroma_shift_x, 0, 1) || !within(picture.chroma_shift_y, 0, 1)) {
    return fail(error, Code::kUnsupported, "the picture's chroma shift is %d/%d; 0 and 1 are handled",
                picture.chroma_shift_x, picture.chroma_shift_y);
  }
  for (int plane = 0; plane < plane_count(picture); ++plane) {
    const PlaneSize size = plane_size(picture, plane);
    if (picture.planes[plane] == nullptr || picture.stride_bytes[plane] < size.row_bytes) {
      return fail(error, Code::kInvalidArgument, "the picture's plane %d: %d bytes between rows, expected %d or more",
                  plane, picture.planes[plane] == nullptr ? 0 : picture.stride_bytes[plane], size.row_bytes);
    }
  }
  const bool reads_pairs = picture.layout == PixelLayout::kSemiPlanar && picture.place == abi::Place::kDevice;
  const bool even = reinterpret_cast<std::uintptr_t>(picture.planes[1]) % 2 == 0 && picture.stride_bytes[1] % 2 == 0;
  if (reads_pairs && !even) {
    return fail(error, Code::kUnsupported, "the picture's UV pairs do not begin at even addresses");
  }
  return Code::kOk;
}

Code check_wish(const PictureInput& wish, Error* error) noexcept {
  const bool sound = within(wish.width_px, 1, kMaxSide) && within(wish.height_px, 1, kMaxSide) &&
                     within(wish.inner_width_px, 1, wish.width_px) && within(wish.inner_height_px, 1, wish.height_px) &&
                     within(wish.left_px, 0, wish.width_px - wish.inner_width_px) &&
                     within(wish.top_px, 0, wish.height_px - wish.inner_height_px);
  if (sound) return Code::kOk;
  return fail(error, Code::kInvalidArgument, "model input %dx%d: the picture's place %dx%d at %d,%d is not inside",
              wish.width_px, wish.height_px, wish.inner_width_px, wish.inner_height_px, wish.left_px, wish.top_px);
}

bool Geometry::operator==(const Geometry& other) const noexcept {
  return width_px == other.width_px && height_px == other.height_px && shift_x == other.shift_x &&
         shift_y == other.shift_y && inner_width_px == other.inner_width_px &&
         inner_height_px == other.inner_height_px && between_x == other.between_x;
}

Geometry geometry_of(const Picture& picture, const PictureInput& wish) noexcept {
  Geometry geometry;
  geometry.width_px = picture.width_px;
  geometry.height_px = picture.height_px;
  geometry.shift_x = picture.chroma_shift_x;
  geometry.shift_y = picture.chroma_shift_y;
  geometry.inner_width_px = wish.inner_width_px;
  geometry.inner_height_px = wish.inner_height_px;
  geometry.between_x = picture.chroma_shift_x == 1 && picture.siting == abi::ChromaSiting::kCenter;
  return geometry;
}

std::size_t tap_count(const Geometry& geometry) noexcept {
  return 2 * (static_cast<std::size_t>(geometry.inner_width_px) + static_cast<std::size_t>(geometry.inner_height_px));
}

void plan_taps(const Geometry& geometry, std::uint32_t* taps) noexcept {
  const Geometry& g = geometry;
  std::uint32_t* rows = taps + 2 * g.inner_width_px;
  const std::int32_t chroma_width = halved(g.width_px, g.shift_x);
  const std::int32_t chroma_height = halved(g.height_px, g.shift_y);
  plan_axis(g.inner_width_px, g.width_px, g.width_px, 0, false, taps);
  plan_axis(g.inner_width_px, g.width_px, chroma_width, g.shift_x, g.between_x, taps + g.inner_width_px);
  plan_axis(g.inner_height_px, g.height_px, g.height_px, 0, false, rows);
  plan_axis(g.inner_height_px, g.height_px, chroma_height, g.shift_y, g.shift_y == 1, rows + g.inner_height_px);
}

PictureJob plan_job(const Picture& picture, const PictureInput& wish) noexcept {
  PictureJob job{};
  job.luma_width = picture.width_px;
  job.luma_height = picture.height_px;
  job.chroma_width = halved(picture.width_px, picture.chroma_shift_x);
  job.chroma_height = halved(picture.height_px, picture.chroma_shift_y);
  job.width = wish.width_px;
  job.height = wish.height_px;
  job.left = wish.left_px;
  job.top = wish.top_px;
  job.inner_width = wish.inner_width_px;
  job.inner_height = wish.inner_height_px;
  job.is_nhwc = wish.is_nhwc;
  job.is_bgr = wish.is_bgr;
  const Gains k = gains(picture.matrix, picture.range);
  job.black = k.black;
  job.luma = to_fixed(k.luma);
  job.red_v = to_fixed(k.red_v);
  job.green_u = to_fixed(k.green_u);
  job.green_v = to_fixed(k.green_v);
  job.blue_u = to_fixed(k.blue_u);
  for (int channel = 0; channel < 3; ++channel) {
    job.mean[channel] = wish.mean[channel];
    job.scale[channel] = wish.scale[channel];
    job.pad[channel] = (static_cast<float>(wish.pad) - wish.mean[channel]) * wish.scale[channel];
  }
  return job;
}

}  // namespace edgecore::tensorrt
