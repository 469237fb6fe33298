// JPEG pictures decoded by nvJPEG, opened at run time, into device memory.
#pragma once

#include "cuda.h"
#include "edgecore/abi.h"

namespace edgecore::tensorrt {

/// Planar YUV as in the file, or gray; matrix, range and siting are JFIF's. One JPEG a push; a picture may be kept
/// while others are decoded. kNotFound where no libnvjpeg.so.N for this driver can be opened.
abi::Code open_jpeg_decoder(const Driver& driver, int device, abi::Decoder** decoder, abi::Error* error) noexcept;

}  // namespace edgecore::tensorrt
