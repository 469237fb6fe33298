// Pictures decoded by the chip, into device memory.
#pragma once

#include "edgecore/abi.h"
#include "runtime.h"

namespace edgecore::sophon {

/// JPEG by the JPU, in the file's own subsampling. One file a push.
abi::Code open_jpeg_decoder(const Libraries& libraries, std::int32_t device, abi::Decoder** decoder,
                            abi::Error* error) noexcept;

/// H.264 and H.265 by the VPU: NV12 of 8 bits. No more than kKeptPictures may be kept at a time.
abi::Code open_video_decoder(const Libraries& libraries, std::int32_t device, abi::Codec codec, abi::Decoder** decoder,
                             abi::Error* error) noexcept;

}  // namespace edgecore::sophon
