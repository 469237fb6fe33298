#include "decoders.h"

#include "edgecore/module.h"
#include "jpeg.h"
#include "video.h"

namespace edgecore::tensorrt {

using abi::Code;

Code open_decoder(const Driver& driver, const abi::DecoderSpec& spec, abi::Decoder** decoder,
                  abi::Error* error) noexcept {
  switch (spec.codec) {
    case abi::Codec::kJpeg: return open_jpeg_decoder(driver, spec.device, decoder, error);
    case abi::Codec::kH264:
    case abi::Codec::kH265: return open_video_decoder(driver, spec.device, spec.codec, decoder, error);
  }
  return module::fail(error, Code::kUnsupported, "codec %d is not known", static_cast<int>(spec.codec));
}

}  // namespace edgecore::tensorrt
