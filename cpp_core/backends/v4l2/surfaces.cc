#include "surfaces.h"

#include <cstring>

#include "edgecore/module.h"
#include "pictures.h"

namespace edgecore::v4l2 {

using edgecore::abi::Code;
using edgecore::abi::Error;
using edgecore::abi::Picture;
using module::fail;

Surfaces& surfaces() noexcept {
  static auto* const opened = new Surfaces;
  return *opened;
}

Surfaces::Surfaces() noexcept : opened_(nvbuf::open_library(library_, &reason_)) {}

Code Surfaces::read(const Picture& picture, const Picture& host, Error* error) noexcept {
  if (opened_ != Code::kOk) {
    return fail(error, Code::kUnsupported, "the picture is block linear, and what makes it readable is missing: %.300s",
                reason_.text);
  }
  nvbuf::MappedSurface mapped(library_);
  Picture linear;
  if (Code code = mapped.map(picture.dma_fd, error); code != Code::kOk) return code;
  if (Code code = mapped.picture(linear, error); code != Code::kOk) return code;
  if (linear.layout != picture.layout || linear.width_px < picture.width_px || linear.height_px < picture.height_px) {
    return fail(error, Code::kSdk, "the surface is %dx%d of layout %d, the decoder's picture %dx%d of layout %d",
                linear.width_px, linear.height_px, static_cast<int>(linear.layout), picture.width_px, picture.height_px,
                static_cast<int>(picture.layout));
  }
  for (int plane = 0; plane < plane_count(picture); ++plane) {
    const auto* from = static_cast<const unsigned char*>(linear.planes[plane]);
    auto* to = static_cast<unsigned char*>(host.planes[plane]);
    for (std::size_t row = 0; row < row_count(picture, plane); ++row) {
      std::memcpy(to, from, row_bytes(picture, plane));
      from += linear.stride_bytes[plane];
      to += host.stride_bytes[plane];
    }
  }
  return Code::kOk;
}

}  // namespace edgecore::v4l2
