#include "ffmpeg_frame.h"

extern "C" {
#include <libavutil/pixdesc.h>
}

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

namespace edgecore {
namespace {

struct PixelFormat {
  AVPixelFormat format;
  PixelLayout layout;
  std::uint8_t shift_x, shift_y;
  bool full_range;  // by definition of the format; the others say it in color_range
};

constexpr PixelFormat kPixelFormats[] = {
    {AV_PIX_FMT_YUV420P, PixelLayout::kPlanar, 1, 1, false}, {AV_PIX_FMT_YUVJ420P, PixelLayout::kPlanar, 1, 1, true},
    {AV_PIX_FMT_YUV422P, PixelLayout::kPlanar, 1, 0, false}, {AV_PIX_FMT_YUVJ422P, PixelLayout::kPlanar, 1, 0, true},
    {AV_PIX_FMT_YUV444P, PixelLayout::kPlanar, 0, 0, false}, {AV_PIX_FMT_YUVJ444P, PixelLayout::kPlanar, 0, 0, true},
    {AV_PIX_FMT_NV12, PixelLayout::kSemiPlanar, 1, 1, false}, {AV_PIX_FMT_GRAY8, PixelLayout::kGray, 0, 0, true},
};

const PixelFormat* find_pixel_format(int format) noexcept {
  const auto* found = std::find_if(std::begin(kPixelFormats), std::end(kPixelFormats),
                                   [&](const PixelFormat& known) { return known.format == format; });
  return found == std::end(kPixelFormats) ? nullptr : found;
}

/// nullopt for a matrix the core has no constants for. A stream that says nothing is BT.709 when it is
/// larger than the standard-definition rasters (720x480, 720x576), else BT.601: what players assume.
std::optional<ColorMatrix> color_matrix(const AVFrame& picture) noexcept {
  switch (picture.colorspace) {
    case AVCOL_SPC_BT709: return ColorMatrix::kBt709;
    case AVCOL_SPC_BT470BG:
    case AVCOL_SPC_SMPTE170M: return ColorMatrix::kBt601;
    case AVCOL_SPC_UNSPECIFIED:
    case AVCOL_SPC_RESERVED:
      return picture.width >= 1280 || picture.height > 576 ? ColorMatrix::kBt709 : ColorMatrix::kBt601;
    default: return picture.format == AV_PIX_FMT_GRAY8 ? std::optional(ColorMatrix::kBt601) : std::nullopt;
  }
}

ColorRange color_range(const AVFrame& picture, const PixelFormat& format) noexcept {
  const bool unspecified = picture.color_range == AVCOL_RANGE_UNSPECIFIED;
  const bool full = unspecified ? format.full_range : picture.color_range == AVCOL_RANGE_JPEG;
  return full ? ColorRange::kFull : ColorRange::kLimited;
}

}  // namespace

bool is_supported_pixel_format(int format) noexcept { return find_pixel_format(format) != nullptr; }

std::string pixel_format_name(int format) {
  const char* name = av_get_pix_fmt_name(static_cast<AVPixelFormat>(format));
  return name == nullptr ? "unknown" : name;
}

Error unsupported_pixels(const std::string& uri, int format) {
  return {Code::kUnsupported, uri + ": pixel format " + pixel_format_name(format) + " is not supported",
          "encode it with 8 bits a sample as yuv420p, yuv422p, yuv444p, nv12 or gray"};
}

Result<Frame> to_frame(Picture picture, const std::string& uri) {
  const PixelFormat* format = find_pixel_format(picture->format);
  if (format == nullptr) return unsupported_pixels(uri, picture->format);
  const std::optional<ColorMatrix> matrix = color_matrix(*picture);
  if (!matrix) {
    const char* name = av_color_space_name(picture->colorspace);
    return Error{Code::kUnsupported, uri + ": colour matrix " + (name == nullptr ? "unknown" : name) + " is not supported",
                 "encode it as BT.601 or BT.709"};
  }
  Frame frame;
  for (std::size_t at = 0; at < frame.planes.size(); ++at) frame.planes[at] = {picture->data[at], picture->linesize[at]};
  frame.width_px = picture->width;
  frame.height_px = picture->height;
  frame.layout = format->layout;
  frame.chroma_shift_x = format->shift_x;
  frame.chroma_shift_y = format->shift_y;
  frame.matrix = *matrix;
  frame.range = color_range(*picture, *format);
  frame.siting = picture->chroma_location == AVCHROMA_LOC_CENTER ? ChromaSiting::kCenter : ChromaSiting::kLeft;
  frame.owner = std::shared_ptr<const AVFrame>(std::move(picture));
  return frame;
}

}  // namespace edgecore
