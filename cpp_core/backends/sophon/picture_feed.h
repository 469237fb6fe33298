// Pictures -> model input in device memory: VPP brings the picture to its size and place as RGB levels, the TPU turns
// levels into numbers.
#pragma once

#include "edgecore/abi.h"
#include "image.h"
#include "runtime.h"

namespace edgecore::sophon {

/// kUnsupported for what VPP cannot do: chroma other than 4:2:0 and 4:4:4, odd sizes, sides under 16 or over 4096 (of
/// the model 2048), more than 32 times smaller or larger, rows in device memory that do not begin where VPP can read.
/// Source: the table vpp_format_allowed_map of bmcv_internal.cpp, and doc/source/api/{vpp_basic,convert_to}.rst, all of
/// sophgo/libsophon 0.5.1.
abi::Code check_picture(const abi::Picture& picture, const abi::PictureInput& wish, abi::Error* error) noexcept;

/// One slot's pictures. One thread at a time; what it was given stands until it goes.
class PictureFeed {
 public:
  /// `target`: room for the input, float32, dense. Over when the call returns; the picture may then go.
  abi::Code prepare(const ImageLibrary& library, const Libraries& libraries, const Device& device,
                    const abi::Picture& picture, const abi::PictureInput& wish, const bm::DeviceMemory& target,
                    abi::CopyCounts& copies, abi::Error* error) noexcept;

 private:
  /// Uploads the host picture `from`; `to` is then the same picture in device memory.
  abi::Code upload(const Libraries& libraries, const Device& device, const abi::Picture& from, abi::Picture& to,
                   abi::CopyCounts& copies, abi::Error* error) noexcept;

  /// A gray picture becomes one with chroma that says "no colour": VPP makes no RGB of gray.
  abi::Code add_chroma(const Libraries& libraries, const Device& device, abi::Picture& picture,
                       abi::Error* error) noexcept;

  /// `levels`: RGB of the model's size, in levels_.
  abi::Code scale(const ImageLibrary& library, const Libraries& libraries, const Device& device,
                  const abi::Picture& picture, const abi::PictureInput& wish, Image& levels,
                  abi::Error* error) noexcept;

  PictureMemory staged_;   // host pictures
  PictureMemory neutral_;  // chroma of gray ones
  PictureMemory levels_;   // RGB of the model's size, rows as VPP wants them
};

}  // namespace edgecore::sophon
