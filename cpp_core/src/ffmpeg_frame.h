// From FFmpeg's picture to ours.
#pragma once

extern "C" {
#include <libavutil/frame.h>
}

#include <memory>
#include <string>

#include "edgecore/frame.h"
#include "edgecore/status.h"

namespace edgecore {

struct FreePicture {
  void operator()(AVFrame* picture) const noexcept { av_frame_free(&picture); }
};
using Picture = std::unique_ptr<AVFrame, FreePicture>;

/// format: an AVPixelFormat.
bool is_supported_pixel_format(int format) noexcept;
std::string pixel_format_name(int format);
Error unsupported_pixels(const std::string& uri, int format);

/// The frame's planes are the decoder's; the last copy of the frame gives them back. Index and time are
/// the caller's to set. kUnsupported for pixels or a colour matrix the core cannot convert.
Result<Frame> to_frame(Picture picture, const std::string& uri);

}  // namespace edgecore
