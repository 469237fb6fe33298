// H.264 and H.265 decoded by the GPU's video engine (NVDEC), opened at run time, into device memory.
#pragma once

#include "cuda.h"
#include "edgecore/abi.h"

namespace edgecore::tensorrt {

/// NV12 pictures, 8 bits, in the order of display. A picture may be kept as long as its user likes: the engine's own
/// surfaces, of which there are few, are copied within the device.
/// A damaged picture is kCorrupt of the push in which its turn came, and left out; the next ones may be pulled.
/// kNotFound where the driver brings no libnvcuvid.so.1; what the engine cannot decode is said at the first picture.
abi::Code open_video_decoder(const Driver& driver, int device, abi::Codec codec, abi::Decoder** decoder,
                             abi::Error* error) noexcept;

}  // namespace edgecore::tensorrt
